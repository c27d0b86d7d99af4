"""From plans to the cluster: the one place that writes.

An object is written only where it differs; one that nobody of ours made is never taken over; what a capability no
longer wants is removed, but for what holds data. Run again, it writes nothing.
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
from freehold.kube.kinds import BY_NAME, EVENT, HOLDS_DATA, MICROSERVICE, OUTERMOST, OUTLIVES, QUIET, RUNNING, Kind
from freehold.kube.observation import is_leaving

logger = logging.getLogger(__name__)
NOTE_LIMIT = 1024
"""Of an Event's note (events.k8s.io/v1)."""


async def apply(api: Api, cache: Cache, case: Case, plans: Iterable[Plan]) -> bool:
    """Write what differs, what pods stand on before what starts them; then remove what is not wanted any more, and at
    last write what the cluster may lack.

    Returns whether an object was written, so that what was observed before is out of date. Raises the first
    ClusterError, after everything that could be written was.
    """
    listed = list(plans)
    wanted = [body for plan in listed for body in plan.objects]

    async def write(wave: tuple[Kind, ...]) -> bool:
        bodies = (body for body in wanted if BY_NAME[body["kind"]] in wave)
        return await _together(_write(api, cache, case, body) for body in bodies)

    written = await write(QUIET)
    written |= await write(RUNNING)
    await _together(_delete(api, case.namespace, live) for live in _unwanted(case, listed))
    return await write(OUTERMOST) or written


async def _together(work: Iterable[Coroutine[Any, Any, bool]]) -> bool:
    """Run side by side, and say whether any did something; one that fails stops no other, and is raised at the end."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return any(results)


async def _write(api: Api, cache: Cache, case: Case, wanted: Object) -> bool:
    body = _stamped(wanted)
    kind, ref = BY_NAME[body["kind"]], Ref(body["kind"], body["metadata"]["name"])
    stored = cache.owned.get(case.key, {}).get(ref)
    if stored is None:
        if await _exists(api, kind, body):
            return False  # it is seen again in a moment, and judged by what it holds
    elif is_leaving(stored.unpack(), case.service):
        return False  # once it is gone, its deletion wakes the service and it is made anew
    elif ref not in case.observed.objects:
        return False  # it came after the look that this body was made from, and has woken the service for another
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


def _stamped(wanted: Object) -> Object:
    """With a digest of all that is wanted, so that an object shows when it holds what is wanted no more."""
    metadata = wanted["metadata"]
    annotations = {**metadata.get("annotations", {}), meta.APPLIED_HASH: meta.digest(wanted)}
    return {**wanted, "metadata": {**metadata, "annotations": annotations}}


async def _exists(api: Api, kind: Kind, body: Object) -> bool:
    """Whether there is an object that the watches do not see.

    One of ours that has lost its labels gets them back. Somebody else's is left alone: raises NameTakenError.
    """
    metadata = body["metadata"]
    live = await api.get(kind, metadata["namespace"], metadata["name"])
    if live is None:
        return False
    managers = {entry["manager"] for entry in live["metadata"].get("managedFields", [])}
    if FIELD_MANAGER not in managers:
        said = f"{body['kind']} {metadata['name']} exists in namespace {metadata['namespace']} and is not Freehold's"
        raise NameTakenError(409, f"{said}; rename one of the two, or delete it if nobody needs it")
    patch = {"metadata": {"labels": metadata["labels"]}}
    await api.merge(kind, metadata["namespace"], metadata["name"], patch)
    return True


async def _disown(api: Api, kind: Kind, body: Object) -> None:
    """Take over what others added, so that the apply that follows removes it."""
    metadata = body["metadata"]
    live = await api.get(kind, metadata["namespace"], metadata["name"])
    if live:
        version = live["metadata"]["resourceVersion"]
        patch = {"metadata": {"managedFields": diff.disown(live), "resourceVersion": version}}
        await api.merge(kind, metadata["namespace"], metadata["name"], patch)


def _unwanted(case: Case, plans: Iterable[Plan]) -> Iterator[Object]:
    """What is to be made anew, or carries a capability's label and is neither wanted nor kept."""
    for plan in plans:
        stays = plan.keep | {Ref(body["kind"], body["metadata"]["name"]) for body in plan.objects}
        yield from (case.observed.objects[ref] for ref in plan.discard)
        for ref, live in case.observed.objects.items():
            metadata = live["metadata"]
            owners = metadata.get("ownerReferences", [])
            mine = any(owner["uid"] == case.service.uid for owner in owners) or (ref.kind in OUTLIVES and not owners)
            labelled = metadata["labels"].get(meta.CAPABILITY) == plan.capability
            gone = "deletionTimestamp" in metadata
            if mine and labelled and ref not in stays and ref.kind not in HOLDS_DATA and not gone:
                yield live


async def _delete(api: Api, namespace: str, live: Object) -> bool:
    logger.info("%s: remove %s %s", namespace, live["kind"], live["metadata"]["name"])
    # What may hold data goes only as it was when it was found to hold none.
    named = ("uid", "resourceVersion") if live["kind"] in HOLDS_DATA else ("uid",)
    preconditions = {key: live["metadata"][key] for key in named}
    await api.delete(BY_NAME[live["kind"]], namespace, live["metadata"]["name"], preconditions)
    return True


async def sweep(api: Api, cache: Cache, key: Key) -> None:
    """Remove what outlived a resource for the sake of its pods, once they are gone."""
    left = cache.owned.get(key, {})
    if any(ref.kind == "Pod" for ref in left):
        return
    over = [stored.unpack() for ref, stored in left.items() if ref.kind in OUTLIVES]
    await _together(_delete(api, key.namespace, live) for live in over if "deletionTimestamp" not in live["metadata"])


async def write_status(api: Api, key: Key, uid: str, status: Status) -> Object:
    """The whole status; what it no longer says goes. It never lands on a later resource of the same name."""
    body = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {"name": key.name, "namespace": key.namespace, "uid": uid},
        "status": status,
    }
    return await api.apply(MICROSERVICE, body, subresource="status")


def resource(key: Key, uid: str) -> Object:
    """A Microservice, as an Event regards it."""
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND, "uid": uid, **key._asdict()}


async def write_event(api: Api, regarding: Object, event: Event) -> None:
    """An Event for `kubectl describe`. regarding: apiVersion, kind, namespace, name and uid of what it is about."""
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
