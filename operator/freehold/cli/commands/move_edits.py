"""Where a service's database is to stand: what to write to its resource for that, and what of it makes no sense."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from freehold.core.database import topology
from freehold.core.model.conditions import Reason, State, Type
from freehold.core.model.resources import Object
from freehold.core.objects import meta
from freehold.views.errors import Failure

SHORT = {"zone": "topology.kubernetes.io/zone", "region": "topology.kubernetes.io/region"}
"""Labels of nodes that every cluster has (kubernetes.io/docs/reference/labels-annotations-taints), by a short name."""
CLASS, NAMESPACE, CLUSTER = "class", "namespace", "cluster"
OVER = (Reason.RELOCATED, Reason.AT_DESTINATION)
"""The step of a move that is done, and of one that was taken back."""
MANIFEST = "kubectl.kubernetes.io/last-applied-configuration"


def towards(live: Object, given: Sequence[str]) -> Object:
    """What to write so that the service stands on nodes with these labels, KEY=VALUE, and its data, with `class=NAME`,
    on a volume of that storage class, or all of it in `namespace=NAME` or `cluster=SECRET`; labels of other keys stay
    as they are.

    Raises Failure.
    """
    wanted: dict[str, str] = {}
    for text in given:
        key, _, value = text.partition("=")
        if not (key and value):
            raise Failure(f"--to {text} names no place; write zone=b, KEY=VALUE of a node, or class=NAME")
        if wanted.setdefault(SHORT.get(key, key), value) != value:
            raise Failure(f"--to says two things of {key}; a service stands in one place")
    if other := {key: wanted.pop(key) for key in (NAMESPACE, CLUSTER) if key in wanted}:
        if wanted or len(other) > 1:
            ((key, value), *_) = other.items()
            raise Failure(f"--to {key}={value} goes alone; whatever else is to change, change it there")
        return {"spec": {"placement": {NAMESPACE: None, CLUSTER: None, **other}}}
    storage_class = wanted.pop(CLASS, None)
    if storage_class and not live["spec"].get("database"):
        raise Failure(f"{name(live)} has no database, so no storage class; its pods move by --to zone=b")
    return {"spec": {**(_nodes(wanted) if wanted else {}), **(_volume(storage_class) if storage_class else {})}}


def back(live: Object) -> Object:
    """What to write so that it stands where it stood before the switch. Raises Failure."""
    if under_way(live):
        raise Failure(f"{name(live)} has not moved yet; --abort takes back the move that is under way")
    if step(live) != Reason.RELOCATED:
        raise Failure(f"{name(live)} was never moved: there is nothing to go back to")
    return _restored(live)


def abort(live: Object) -> Object:
    """What to write so that it stays where it is. Raises Failure."""
    if not under_way(live):
        hint = "; --back goes back to where it was" if step(live) == Reason.RELOCATED else ""
        raise Failure(f"there is nothing to abort: no move of {name(live)} is under way{hint}")
    if step(live) == Reason.SWITCHING_OVER:
        raise Failure(f"{name(live)} switches at this moment; once that is done, --back goes back")
    return {**_restored(live), **_hold(None)}


def pause(live: Object) -> Object:
    """What to write so that the move takes no further step. Raises Failure."""
    if not under_way(live):
        raise Failure(f"there is nothing to pause: no move of {name(live)} is under way")
    return _hold(topology.PAUSED)


def resume(live: Object) -> Object:
    """What to write so that it goes on. Raises Failure."""
    if meta.MOVE not in live["metadata"].get("annotations", {}):
        raise Failure(f"there is nothing to resume: no move of {name(live)} is paused")
    return _hold(None)


EDITS = {"back": back, "abort": abort, "pause": pause, "resume": resume}


def overruled(live: Object, patch: Object) -> bool:
    """Whether the next `kubectl apply` of the manifest that the resource was made from takes this back."""
    manifest = json.loads(live["metadata"].get("annotations", {}).get(MANIFEST, "{}"))
    return _differs(manifest.get("spec", {}), patch.get("spec", {}))


def _differs(applied: Any, written: Any) -> bool:
    if isinstance(applied, dict) and isinstance(written, dict):
        return any(key in applied and _differs(applied[key], value) for key, value in written.items())
    return bool(applied != written)


def _restored(live: Object) -> Object:
    """The labels of nodes as they were, and the storage class where the move was to another."""
    before, after = move(live).get("from", {}), move(live).get("to", {})
    if NAMESPACE in after or CLUSTER in live["spec"].get("placement", {}):
        return {"spec": {"placement": {NAMESPACE: None, CLUSTER: None}}}
    there = live["spec"].get("placement", {}).get("nodeSelector", {})
    labels = {**dict.fromkeys(there), **before["nodeSelector"]} if before.get("nodeSelector") else None
    other = after.get("className") not in (None, before.get("className"))
    return {"spec": {**_nodes(labels), **(_volume(before.get("className")) if other else {})}}


def _nodes(labels: Mapping[str, str | None] | None) -> Object:
    return {"placement": {"nodeSelector": labels}}


def _volume(storage_class: str | None) -> Object:
    return {"database": {"storage": {"className": storage_class}}}


def _hold(value: str | None) -> Object:
    return {"metadata": {"annotations": {meta.MOVE: value}}}


def name(live: Object) -> str:
    return str(live["metadata"]["name"])


def move(live: Object) -> Object:
    """What the operator says of the last move; empty where there was none."""
    found: Object = live.get("status", {}).get("move", {})
    return found


def step(live: Object) -> str:
    """How far it is, as the reason of its condition; empty where there was none."""
    return str(move(live).get("step", ""))


def under_way(live: Object) -> bool:
    """Whether a move is asked for and not done, be it that nothing hinders it or that something does."""
    unseen = relocated(live).get("reason") == Reason.CLUSTER_UNKNOWN
    return unseen or (bool(move(live)) and step(live) not in OVER)


def relocated(live: Object) -> Object:
    """The condition that speaks of the move; empty where there is none."""
    said: list[Object] = live.get("status", {}).get("conditions", [])
    return next((one for one in said if one["type"] == Type.RELOCATED), {})


def outcome(live: Object) -> int | None:
    """The exit code: 0 where all stands where it should, 1 where it does not get there; None while it is under way."""
    return {State.FALSE.value: 1, State.UNKNOWN.value: None}.get(relocated(live).get("status", ""), 0)
