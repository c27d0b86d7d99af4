"""Edits of a Microservice for rollback, abort, pause and resume, and its counterpart in another namespace."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from freehold.core.database import topology
from freehold.core.model.conditions import Reason
from freehold.core.model.resources import Object
from freehold.core.objects import meta
from freehold.kube.kinds import MICROSERVICE
from freehold.views import move
from freehold.views.errors import Failure

MANIFEST = "kubectl.kubernetes.io/last-applied-configuration"


def rollback(live: Object) -> Object:
    """The merge patch that returns to the place before the switchover. Raises Failure."""
    if move.is_under_way(live):
        raise Failure(f"{move.name(live)} has not switched over yet; --abort cancels the move")
    if move.step(live) != Reason.RELOCATED:
        raise Failure(f"{move.name(live)} was never moved; nothing to roll back")
    return _previous_place(live)


def abort(live: Object) -> Object:
    """The merge patch that cancels the move. Raises Failure."""
    if not move.is_under_way(live):
        action = "; --rollback returns to the previous place" if move.step(live) == Reason.RELOCATED else ""
        raise Failure(f"no move of {move.name(live)} is under way; nothing to abort{action}")
    if move.step(live) == Reason.SWITCHING_OVER:
        raise Failure(f"{move.name(live)} is switching over; wait until the move has ended, then use --rollback")
    return {**_previous_place(live), **_hold(None)}


def pause(live: Object) -> Object:
    """The merge patch that holds the move before its next step. Raises Failure."""
    if not move.is_under_way(live):
        raise Failure(f"no move of {move.name(live)} is under way; nothing to pause")
    return _hold(topology.PAUSED)


def resume(live: Object) -> Object:
    """The merge patch that continues a paused move. Raises Failure."""
    if meta.MOVE not in live["metadata"].get("annotations", {}):
        raise Failure(f"no move of {move.name(live)} is paused; nothing to resume")
    return _hold(None)


ACTIONS: dict[str, Callable[[Object], Object]] = {
    "rollback": rollback,
    "abort": abort,
    "pause": pause,
    "resume": resume,
}


def _hold(value: str | None) -> Object:
    return {"metadata": {"annotations": {meta.MOVE: value}}}


def _previous_place(live: Object) -> Object:
    """The merge patch with the previous node labels, and the previous storage class if the move changed the class."""
    before, after = move.recorded(live).get("from", {}), move.recorded(live).get("to", {})
    placement = live["spec"].get("placement", {})
    if "namespace" in after or "cluster" in placement:
        return {"spec": {"placement": {"namespace": None, "cluster": None}}}
    current = placement.get("nodeSelector", {})
    labels = {**dict.fromkeys(current), **before["nodeSelector"]} if before.get("nodeSelector") else None
    volume: Object = {"database": {"storage": {"className": before.get("className")}}}
    changed = after.get("className") not in (None, before.get("className"))
    return {"spec": {"placement": {"nodeSelector": labels}, **(volume if changed else {})}}


def reverted_by_manifest(live: Object, patch: Object) -> bool:
    """Whether the next `kubectl apply` of the resource's manifest reverts a patch."""
    manifest = json.loads(live["metadata"].get("annotations", {}).get(MANIFEST, "{}"))
    return _differs(manifest.get("spec", {}), patch.get("spec", {}))


def _differs(applied: Any, patched: Any) -> bool:
    """Whether a field is in both and differs."""
    if isinstance(applied, dict) and isinstance(patched, dict):
        return any(key in applied and _differs(applied[key], value) for key, value in patched.items())
    return bool(applied != patched)


def counterpart(live: Object, namespace: str) -> Object:
    """The same Microservice for another namespace; references without a namespace keep their target."""
    home, spec = live["metadata"]["namespace"], live["spec"]
    placement = {key: value for key, value in spec.get("placement", {}).items() if key != "namespace"}
    changed = {**spec, "placement": {**placement, "from": home}}
    if "consumes" in spec:
        changed["consumes"] = [
            {**consumed, "namespace": consumed.get("namespace", home)} for consumed in spec["consumes"]
        ]
    if expose := spec.get("grpc", {}).get("expose"):
        gateway = {**expose["gateway"], "namespace": expose["gateway"].get("namespace", home)}
        changed["grpc"] = {**spec["grpc"], "expose": {**expose, "gateway": gateway}}
    metadata = {"name": live["metadata"]["name"], "namespace": namespace, "labels": live["metadata"].get("labels", {})}
    return {"apiVersion": MICROSERVICE.api, "kind": MICROSERVICE.name, "metadata": metadata, "spec": changed}
