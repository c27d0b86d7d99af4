"""Samples of a move: users on its way from zone a to zone b."""

from __future__ import annotations

from typing import Any

from freehold.cli.commands.move.destination import ZONE
from freehold.core.model.resources import Object

from tests.unit.cli.samples import live
from tests.unit.core.worlds import DATABASE, GRPC

A = {"nodeSelector": {ZONE: "a"}, "className": "standard"}
B = {"nodeSelector": {ZONE: "b"}, "className": "standard"}


def users(step: str | None = None, condition: tuple[str, str, str] | None = None, **known: Any) -> Object:
    """users at a step of the move. condition: status, reason and message. known: other fields of status.move."""
    moves = {"move": {"from": A, "to": B, "step": step, **known}} if step else {}
    keys = ("status", "reason", "message")
    conditions = [{"type": "Relocated", **dict(zip(keys, condition, strict=True))}] if condition else []
    made = live("users", status={**moves, "conditions": conditions}, grpc=GRPC, database=DATABASE)
    return {**made, "spec": {**made["spec"], "placement": {"nodeSelector": {ZONE: "b"}}}}


def at(step: str, **known: Any) -> Object:
    """users at a step in progress."""
    return users(step, ("Unknown", step, ""), **known)


def nodes(labels: Object | None, **more: Any) -> Object:
    """The patch for node labels."""
    return {"spec": {"placement": {"nodeSelector": labels}, **more}}
