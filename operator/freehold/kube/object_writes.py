"""Writes of one object, each on the version on which it was decided."""

from __future__ import annotations

from typing import Any

from freehold.core.model.resources import Object
from freehold.core.objects import meta
from freehold.kube import diff
from freehold.kube.client import Api
from freehold.kube.kinds import SECRET, WORKLOADS, Kind

VERSIONED = ("uid", "resourceVersion")
"""The fields of metadata by which the API server refuses a write that was decided on another version (409)."""


async def create(api: Api, kind: Kind, body: Object) -> tuple[Object, list[str]]:
    """Create an object; a Secret only if none exists. Returns the object as stored, and no field managers."""
    # The content of Secrets is random: a second write would replace the passwords of a server that runs.
    sent = api.create(kind, body["metadata"]["namespace"], body) if kind is SECRET else api.apply(kind, body)
    return await sent, []


async def change(api: Api, kind: Kind, body: Object, observed: Object, foreign: bool) -> tuple[Object, list[str]]:
    """Apply an object to its observed version. foreign: whether others own fields of it.

    Returns the object as stored, and the field managers whose fields were taken over.
    """
    managers: list[str] = []
    if foreign or kind is SECRET:
        observed, managers = await _disown(api, kind, observed)
    written = await _apply(api, kind, body, observed)
    if kind in WORKLOADS and diff.has_more_items(written, body):
        # Apply keeps items of lists that no field manager owns. Those that come back now are added by admission.
        metadata = body["metadata"]
        merged = {**patch(written), "spec": body["spec"]}
        replaced = await api.merge(kind, metadata["namespace"], metadata["name"], merged)
        written = await _apply(api, kind, body, (await _disown(api, kind, replaced))[0])
    return written, managers


async def _apply(api: Api, kind: Kind, body: Object, observed: Object) -> Object:
    return await api.apply(kind, {**body, "metadata": {**body["metadata"], **version(observed)}})


async def _disown(api: Api, kind: Kind, observed: Object) -> tuple[Object, list[str]]:
    """Take over the fields of other managers, so that the next apply removes them.

    Returns the object as stored, and the managers.
    """
    metadata = observed["metadata"]
    live = await api.get(kind, metadata["namespace"], metadata["name"]) or observed
    # Without the hash the object differs until it is applied, also if this operator ends before.
    taken = patch(observed, managedFields=diff.disown(live), annotations={meta.APPLIED_HASH: None})
    return await api.merge(kind, metadata["namespace"], metadata["name"], taken), diff.foreign_managers(live)


def version(live: Object) -> Object:
    return {key: live["metadata"][key] for key in VERSIONED}


def patch(observed: Object, **metadata: Any) -> Object:
    """Return a merge patch of metadata for the observed version of an object."""
    return {"metadata": {**version(observed), **metadata}}
