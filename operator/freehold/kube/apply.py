"""Writes of plans to the cluster.

Only different objects are written. Objects of other managers are never taken over. Unwanted objects of a capability are
deleted, except data. A second run without changes writes nothing.

Each write of an existing object carries the uid and the resourceVersion on which it was decided, and a Secret is
created only where none exists: an operator whose cache is late, or that has lost the Lease, overwrites nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from freehold.api.v1alpha1.microservice import GROUP, KIND, VERSION
from freehold.core.model.case import Case
from freehold.core.model.events import Event
from freehold.core.model.resources import Key, Object, Plan, Ref
from freehold.core.objects import meta
from freehold.core.status import Status
from freehold.kube import diff, object_writes
from freehold.kube.cache import Cache
from freehold.kube.client import FIELD_MANAGER, Api
from freehold.kube.errors import ClusterError, ContestedError, NameTakenError, RefusedError
from freehold.kube.helper_jobs import HelperJobs
from freehold.kube.kinds import (
    BY_NAME,
    EVENT,
    HOLDS_DATA,
    MICROSERVICE,
    OUTLIVES,
    PREREQUISITES,
    ROUTES,
    WORKLOADS,
    Kind,
)
from freehold.kube.observation import is_leaving
from freehold.kube.rewrites import RECREATED, Rewrites

logger = logging.getLogger(__name__)


async def apply(
    api: Api, cache: Cache, case: Case, plans: Iterable[Plan], rewrites: Rewrites, helpers: HelperJobs
) -> bool:
    """Write the wanted objects that differ, delete unwanted ones, and write routes last.

    Returns whether an object was written, so that the observation of the case is out of date. Raises the first
    ClusterError after all other writes were tried that precede, and after the deletions.
    """
    plans = list(plans)
    wanted = [body for plan in plans for body in plan.objects]

    async def write(kinds: tuple[Kind, ...]) -> bool:
        bodies = (body for body in wanted if BY_NAME[body["kind"]] in kinds)
        return await _run_all(_write(api, cache, case, body, rewrites, helpers) for body in bodies)

    try:
        written = await write(PREREQUISITES)
        written |= await write(WORKLOADS)
    except ClusterError:
        # An unwanted network policy may be the one that the refused one replaces.
        await _prune(api, case, plans, rewrites, spared=OUTLIVES)
        raise
    await _prune(api, case, plans, rewrites)
    return await write(ROUTES) or written


async def _prune(
    api: Api, case: Case, plans: Iterable[Plan], rewrites: Rewrites, spared: frozenset[str] = frozenset()
) -> None:
    """Delete the unwanted objects, except those of spared kinds."""
    unwanted = [live for live in _unwanted(case, plans) if live["kind"] not in spared]
    for live in unwanted:
        rewrites.forget(case.key, Ref(live["kind"], live["metadata"]["name"]))
    await _run_all(_delete(api, case.namespace, live) for live in unwanted)


async def _run_all(work: Iterable[Coroutine[Any, Any, bool]]) -> bool:
    """Run concurrently, and return whether any returned True. Raises the first error after all have ended."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return any(results)


async def _write(api: Api, cache: Cache, case: Case, wanted: Object, rewrites: Rewrites, helpers: HelperJobs) -> bool:
    """Write an object if it differs from the observed one. Returns whether something was written."""
    body = _with_applied_hash(wanted)
    kind, ref = BY_NAME[body["kind"]], Ref(body["kind"], body["metadata"]["name"])
    stored, observed = cache.owned.get(case.key, {}).get(ref), case.observed.objects.get(ref)
    if ref in cache.omitted.get(case.key, ()):
        # Without the fields of others, the object is small again.
        observed = await api.get(kind, case.namespace, ref.name)
    elif stored is None:
        if not helpers.admits(case.key, body) or await _exists(api, kind, body):
            return False  # the watch brings an object that exists into the cache, which wakes the service
        observed = None
    elif is_leaving(stored.unpack(), case.service):
        return False  # the deletion wakes the service, and the object is created again
    elif observed is None:
        return False  # newer than the observation of this case, and has woken the service already
    else:
        body = diff.with_immutable(body, observed)
        if not stored.foreign and (diff.matches(observed, body) or rewrites.is_admitted(case.key, observed, body)):
            return False
    content = body["metadata"]["annotations"][meta.APPLIED_HASH]
    try:
        if stored or ref.kind not in RECREATED:
            rewrites.check(case.key, ref, content)
        logger.info("%s: write %s %s", case.key, ref.kind, ref.name)
        foreign = stored is None or stored.foreign
        written, managers = await (
            object_writes.change(api, kind, body, observed, foreign)
            if observed
            else object_writes.create(api, kind, body)
        )
        cache.dropped.put_written(written, cache.put_owned)
    except (RefusedError, ContestedError) as error:
        error.capability = wanted["metadata"]["labels"][meta.CAPABILITY]
        raise
    rewrites.record(case.key, ref, content, managers)
    if observed:
        rewrites.record_admitted(case.key, written, body)
    return True


def _with_applied_hash(wanted: Object) -> Object:
    """Return the object with the annotation applied-hash, a digest by which removed fields are detected."""
    metadata = wanted["metadata"]
    annotations = {**metadata.get("annotations", {}), meta.APPLIED_HASH: meta.digest(wanted)}
    return {**wanted, "metadata": {**metadata, "annotations": annotations}}


async def _exists(api: Api, kind: Kind, body: Object) -> bool:
    """Return whether an object exists without Freehold's labels, and is invisible to the watches.

    An object of Freehold's gets its labels back. Raises NameTakenError for an object of another manager.
    """
    metadata = body["metadata"]
    live = await api.get(kind, metadata["namespace"], metadata["name"])
    if live is None:
        return False
    managers = {entry.get("manager") for entry in live["metadata"].get("managedFields", [])}
    if FIELD_MANAGER not in managers:
        state = f"{body['kind']} {metadata['name']} exists in namespace {metadata['namespace']} and is not Freehold's"
        raise NameTakenError(409, f"{state}; rename the Microservice or the object, or delete the object if unused")
    if not metadata["labels"].items() <= live["metadata"].get("labels", {}).items():
        await api.merge(
            kind, metadata["namespace"], metadata["name"], object_writes.patch(live, labels=metadata["labels"])
        )
    return True


def _unwanted(case: Case, plans: Iterable[Plan]) -> Iterator[Object]:
    """Yield the objects to create again, and those of a capability that are neither wanted nor kept."""
    for plan in plans:
        kept = plan.keep | {Ref(body["kind"], body["metadata"]["name"]) for body in plan.objects}
        yield from (case.observed.objects[ref] for ref in plan.discard)
        for ref, live in case.observed.objects.items():
            metadata = live["metadata"]
            owners = metadata.get("ownerReferences", [])
            owned = any(owner["uid"] == case.service.uid for owner in owners) or (ref.kind in OUTLIVES and not owners)
            labelled = metadata["labels"].get(meta.CAPABILITY) == plan.capability
            deleted = "deletionTimestamp" in metadata
            if owned and labelled and ref not in kept and ref.kind not in HOLDS_DATA and not deleted:
                yield live


async def _delete(api: Api, namespace: str, live: Object) -> bool:
    logger.info("%s: remove %s %s", namespace, live["kind"], live["metadata"]["name"])
    await api.delete(BY_NAME[live["kind"]], namespace, live["metadata"]["name"], object_writes.version(live))
    return True


async def sweep(api: Api, cache: Cache, key: Key) -> None:
    """Delete the network policies of a deleted resource, once the last pod has ended."""
    objects = cache.owned.get(key, {})
    if any(ref.kind == "Pod" for ref in objects):
        return
    left = [stored.unpack() for ref, stored in objects.items() if ref.kind in OUTLIVES]
    await _run_all(_delete(api, key.namespace, live) for live in left if "deletionTimestamp" not in live["metadata"])


async def write_status(api: Api, observed: Object, status: Status) -> Object:
    """Write the whole status of a Microservice, unless the resource has changed since it was observed."""
    body = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {key: observed["metadata"][key] for key in ("name", "namespace", *object_writes.VERSIONED)},
        "status": status,
    }
    return await api.apply(MICROSERVICE, body, subresource="status")


def reference(live: Object) -> Object:
    """Return the reference to a Microservice for the field `regarding` of an Event."""
    metadata = {key: live["metadata"][key] for key in ("namespace", "name", "uid")}
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND, **metadata}


async def write_event(api: Api, regarding: Object, event: Event) -> None:
    """Write an Event. regarding: apiVersion, kind, namespace, name and uid of the object concerned."""
    now, namespace = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"), regarding["namespace"]
    body = {
        "apiVersion": EVENT.api,
        "kind": EVENT.name,
        "metadata": {"generateName": f"{regarding['name']}-", "namespace": namespace},
        "eventTime": now,
        "type": event.type,
        "reason": event.reason,
        "note": event.note,
        "action": "Reconcile",
        "regarding": regarding,
        "reportingController": "freehold.dev/operator",
        "reportingInstance": "freehold",
    }
    await api.create(EVENT, namespace, body)
