"""Writes of plans to the cluster.

Only different objects are written. Objects of other managers are never taken over. Unwanted objects of a capability are
deleted, except data. A second run without changes writes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from freehold.api.v1alpha1.microservice import GROUP, KIND, VERSION
from freehold.core.model.case import Case
from freehold.core.model.conditions import Event
from freehold.core.model.resources import Key, Object, Plan, Ref
from freehold.core.objects import meta
from freehold.core.status import Status
from freehold.kube import diff
from freehold.kube.cache import Cache
from freehold.kube.client import FIELD_MANAGER, Api
from freehold.kube.errors import NameTakenError, RefusedError
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

logger = logging.getLogger(__name__)
NOTE_LIMIT = 1024
"""The longest note of an Event, in characters (events.k8s.io/v1)."""


async def apply(api: Api, cache: Cache, case: Case, plans: Iterable[Plan]) -> bool:
    """Write the wanted objects that differ, delete unwanted ones, and write routes last.

    Returns whether an object was written, so that the observation of the case is out of date. Raises the first
    ClusterError after all other writes were tried.
    """
    plans = list(plans)
    wanted = [body for plan in plans for body in plan.objects]

    async def write(kinds: tuple[Kind, ...]) -> bool:
        bodies = (body for body in wanted if BY_NAME[body["kind"]] in kinds)
        return await _run_all(_write(api, cache, case, body) for body in bodies)

    written = await write(PREREQUISITES)
    written |= await write(WORKLOADS)
    await _run_all(_delete(api, case.namespace, live) for live in _unwanted(case, plans))
    return await write(ROUTES) or written


async def _run_all(work: Iterable[Coroutine[Any, Any, bool]]) -> bool:
    """Run concurrently, and return whether any returned True. Raises the first error after all have ended."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return any(results)


async def _write(api: Api, cache: Cache, case: Case, wanted: Object) -> bool:
    """Write an object if it differs from the observed one. Returns whether something was written."""
    body = _with_applied_hash(wanted)
    kind, ref = BY_NAME[body["kind"]], Ref(body["kind"], body["metadata"]["name"])
    stored = cache.owned.get(case.key, {}).get(ref)
    if stored is None:
        if await _exists(api, kind, body):
            return False  # the restored labels bring the object back into the cache, which wakes the service
    elif is_leaving(stored.unpack(), case.service):
        return False  # the deletion wakes the service, and the object is created again
    elif ref not in case.observed.objects:
        return False  # newer than the observation of this case, and has woken the service already
    elif stored.foreign:
        await _disown(api, kind, body)
    elif diff.contains(case.observed.objects[ref], body):
        return False
    logger.info("%s: write %s %s", case.key, ref.kind, ref.name)
    try:
        cache.put_owned(await api.apply(kind, body))
    except RefusedError as error:
        error.capability = wanted["metadata"]["labels"][meta.CAPABILITY]
        raise
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
    managers = {entry["manager"] for entry in live["metadata"].get("managedFields", [])}
    if FIELD_MANAGER not in managers:
        state = f"{body['kind']} {metadata['name']} exists in namespace {metadata['namespace']} and is not Freehold's"
        raise NameTakenError(409, f"{state}; rename the Microservice or the object, or delete the object if unused")
    patch = {"metadata": {"labels": metadata["labels"]}}
    await api.merge(kind, metadata["namespace"], metadata["name"], patch)
    return True


async def _disown(api: Api, kind: Kind, body: Object) -> None:
    """Take over the fields of other managers, so that the next apply removes them."""
    metadata = body["metadata"]
    live = await api.get(kind, metadata["namespace"], metadata["name"])
    if live:
        version = live["metadata"]["resourceVersion"]
        patch = {"metadata": {"managedFields": diff.disown(live), "resourceVersion": version}}
        await api.merge(kind, metadata["namespace"], metadata["name"], patch)


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
    # An object that may hold data is deleted only in the observed version, in which it held none.
    fields = ("uid", "resourceVersion") if live["kind"] in HOLDS_DATA else ("uid",)
    preconditions = {key: live["metadata"][key] for key in fields}
    await api.delete(BY_NAME[live["kind"]], namespace, live["metadata"]["name"], preconditions)
    return True


async def sweep(api: Api, cache: Cache, key: Key) -> None:
    """Delete the network policies of a deleted resource, once the last pod has ended."""
    objects = cache.owned.get(key, {})
    if any(ref.kind == "Pod" for ref in objects):
        return
    left = [stored.unpack() for ref, stored in objects.items() if ref.kind in OUTLIVES]
    await _run_all(_delete(api, key.namespace, live) for live in left if "deletionTimestamp" not in live["metadata"])


async def write_status(api: Api, key: Key, uid: str, status: Status) -> Object:
    """Write the whole status. The uid excludes a later resource of the same name."""
    body = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {"name": key.name, "namespace": key.namespace, "uid": uid},
        "status": status,
    }
    return await api.apply(MICROSERVICE, body, subresource="status")


def resource(key: Key, uid: str) -> Object:
    """Return the reference to a Microservice for the field `regarding` of an Event."""
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND, "uid": uid, **key._asdict()}


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
        "note": event.note[:NOTE_LIMIT],
        "action": "Reconcile",
        "regarding": regarding,
        "reportingController": "freehold.dev/operator",
        "reportingInstance": "freehold",
    }
    await api.create(EVENT, namespace, body)
