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
from freehold.kube import diff
from freehold.kube.cache import Cache
from freehold.kube.client import FIELD_MANAGER, Api
from freehold.kube.errors import ContestedError, NameTakenError, RefusedError
from freehold.kube.helper_jobs import HelperJobs
from freehold.kube.kinds import (
    BY_NAME,
    EVENT,
    HOLDS_DATA,
    MICROSERVICE,
    OUTLIVES,
    PREREQUISITES,
    ROUTES,
    SECRET,
    WORKLOADS,
    Kind,
)
from freehold.kube.observation import is_leaving
from freehold.kube.rewrites import RECREATED, Rewrites

logger = logging.getLogger(__name__)
VERSIONED = ("uid", "resourceVersion")
"""The fields of metadata by which the API server refuses a write that was decided on another version (409)."""


async def apply(
    api: Api, cache: Cache, case: Case, plans: Iterable[Plan], rewrites: Rewrites, helpers: HelperJobs
) -> bool:
    """Write the wanted objects that differ, delete unwanted ones, and write routes last.

    Returns whether an object was written, so that the observation of the case is out of date. Raises the first
    ClusterError after all other writes were tried.
    """
    plans = list(plans)
    wanted = [body for plan in plans for body in plan.objects]

    async def write(kinds: tuple[Kind, ...]) -> bool:
        bodies = (body for body in wanted if BY_NAME[body["kind"]] in kinds)
        return await _run_all(_write(api, cache, case, body, rewrites, helpers) for body in bodies)

    written = await write(PREREQUISITES)
    written |= await write(WORKLOADS)
    unwanted = list(_unwanted(case, plans))
    for live in unwanted:
        rewrites.forget(case.key, Ref(live["kind"], live["metadata"]["name"]))
    await _run_all(_delete(api, case.namespace, live) for live in unwanted)
    return await write(ROUTES) or written


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
    elif not stored.foreign and diff.matches(observed, body):
        return False
    content = body["metadata"]["annotations"][meta.APPLIED_HASH]
    try:
        if stored or ref.kind not in RECREATED:
            rewrites.check(case.key, ref, content)
        logger.info("%s: write %s %s", case.key, ref.kind, ref.name)
        foreign = stored is None or stored.foreign
        written, managers = await (
            _change(api, kind, body, observed, foreign) if observed else _create(api, kind, body)
        )
        cache.put_owned(written)
    except (RefusedError, ContestedError) as error:
        error.capability = wanted["metadata"]["labels"][meta.CAPABILITY]
        raise
    rewrites.record(case.key, ref, content, managers)
    return True


async def _create(api: Api, kind: Kind, body: Object) -> tuple[Object, list[str]]:
    """Create an object; a Secret only if none exists. Returns the object as stored, and no field managers."""
    # The content of Secrets is random: a second write would replace the passwords of a server that runs.
    create = api.create(kind, body["metadata"]["namespace"], body) if kind is SECRET else api.apply(kind, body)
    return await create, []


async def _change(api: Api, kind: Kind, body: Object, observed: Object, foreign: bool) -> tuple[Object, list[str]]:
    """Apply an object to its observed version. foreign: whether others own fields of it.

    Returns the object as stored, and the field managers whose fields were taken over.
    """
    managers: list[str] = []
    if foreign or kind is SECRET:
        observed, managers = await _disown(api, kind, observed)
    return await api.apply(kind, {**body, "metadata": {**body["metadata"], **_version(observed)}}), managers


def _version(live: Object) -> Object:
    return {key: live["metadata"][key] for key in VERSIONED}


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
        await api.merge(kind, metadata["namespace"], metadata["name"], _patch(live, labels=metadata["labels"]))
    return True


async def _disown(api: Api, kind: Kind, observed: Object) -> tuple[Object, list[str]]:
    """Take over the fields of other managers, so that the next apply removes them.

    Returns the object as stored, and the managers.
    """
    metadata = observed["metadata"]
    live = await api.get(kind, metadata["namespace"], metadata["name"]) or observed
    # Without the hash the object differs until it is applied, also if this operator ends before.
    patch = _patch(observed, managedFields=diff.disown(live), annotations={meta.APPLIED_HASH: None})
    return await api.merge(kind, metadata["namespace"], metadata["name"], patch), diff.foreign_managers(live)


def _patch(observed: Object, **metadata: Any) -> Object:
    """Return a merge patch of metadata for the observed version of an object."""
    return {"metadata": {**_version(observed), **metadata}}


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
    await api.delete(BY_NAME[live["kind"]], namespace, live["metadata"]["name"], _version(live))
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
        "metadata": {key: observed["metadata"][key] for key in ("name", "namespace", *VERSIONED)},
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
