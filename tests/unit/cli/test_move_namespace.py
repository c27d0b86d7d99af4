"""Command `move` to another namespace or cluster: the patch, the counterpart, and the progress."""

from __future__ import annotations

import pytest
from freehold.cli.commands.move import edits
from freehold.cli.commands.move.destination import Destination, patch
from freehold.cli.commands.move.progress import Progress
from freehold.core.model.resources import Object
from freehold.views import move

from tests.unit.cli.samples import live
from tests.unit.core.worlds import GRPC

SHOP, PEOPLE = ({"namespace": name} for name in ("shop", "people"))
COMMAND = "kubectl freehold move users"


def at(step: str, state: str, to: Object = PEOPLE) -> Object:
    """users at a step of a move from namespace shop."""
    conditions = [{"type": "Relocated", "status": state, "reason": step, "message": f"message of {step}"}]
    status = {"move": {"from": SHOP, "to": to, "step": step}, "conditions": conditions}
    return live("users", status=status, grpc=GRPC)


def lines(progress: Progress, seen: Object) -> list[str]:
    """The new lines as plain text."""
    return [line.plain.strip() for line in progress.lines(seen, 0)]


def test_counterpart_keeps_references() -> None:
    """The counterpart has the same spec; references without a namespace keep their target."""
    expose = {"gateway": {"name": "public"}, "hostnames": ["users.example.com"]}
    consumes = [{"name": "ledger"}, {"name": "rates", "namespace": "bank", "methods": ["a.B/C"]}]
    placement = {"nodeSelector": {"disk": "ssd"}, "namespace": "people"}
    made = edits.counterpart(
        live("users", grpc={**GRPC, "expose": expose}, consumes=consumes, placement=placement), "people"
    )
    assert (made["metadata"]["namespace"], made["metadata"]["name"]) == ("people", "users")
    assert made["spec"]["placement"] == {"nodeSelector": {"disk": "ssd"}, "from": "shop"}
    assert made["spec"]["consumes"] == [{"name": "ledger", "namespace": "shop"}, consumes[1]]
    assert made["spec"]["grpc"]["expose"]["gateway"] == {"name": "public", "namespace": "shop"}
    assert "status" not in made
    assert "uid" not in made["metadata"]


def test_namespace_patch_and_rollback() -> None:
    """A namespace or a cluster replaces the other one; rollback and abort remove both."""
    none = {"namespace": None, "cluster": None}
    for given, field in ((Destination(namespace="people"), PEOPLE), (Destination(cluster="west"), {"cluster": "west"})):
        assert patch(live("users"), given) == {"spec": {"placement": {**none, **field}}}
    removed = {"spec": {"placement": none}}
    assert edits.rollback(at("Relocated", "True")) == removed
    assert edits.abort(at("MovingPods", "Unknown"))["spec"] == removed["spec"]


def test_progress_cluster_unreachable() -> None:
    """A move to an unreachable cluster shows the message and can be aborted."""
    condition = {
        "type": "Relocated",
        "status": "False",
        "reason": "ClusterUnknown",
        "message": "there is no Secret west",
    }
    seen = live("users", placement={"cluster": "west"}, status={"conditions": [condition]})
    assert lines(Progress(COMMAND), seen) == [
        "✗ unreachable    there is no Secret west",
        f"{COMMAND} --abort cancels the move",
    ]
    assert edits.abort(seen)["spec"] == {"placement": {"namespace": None, "cluster": None}}


def test_progress_namespace_steps_once() -> None:
    """Each step is printed once; a stopped move shows its message."""
    progress = Progress(COMMAND)
    checked = "✓ checked        the Microservice in namespace people replaces this one"
    assert lines(progress, at("MovingPods", "Unknown")) == [checked]
    assert lines(progress, at("Relocated", "True")) == [
        "✓ pods moved     new pods serve in namespace people",
        "✓ redirected     the previous endpoint leads to the new pods",
    ]
    assert lines(progress, at("MoveBlocked", "False")) == [
        "✗ blocked        message of MoveBlocked",
        f"{COMMAND} --abort cancels the move",
    ]
    assert lines(Progress(""), at("MovingPods", "Unknown", to=SHOP)) == []
    in_place = "✓ in place       the service runs where spec.placement declares"
    assert lines(Progress(""), at("AtDestination", "True", to=SHOP)) == [in_place]


def test_progress_namespace_with_data() -> None:
    """A move with data shows the initial copy and the switchover, too."""
    seen = at("Relocated", "True")
    seen["status"]["move"] |= {"copiedBytes": 112_000_000, "lagBytes": 0, "writePauseMs": 212}
    assert lines(Progress(COMMAND), seen)[1:4] == [
        "✓ copied         112 MB",
        "✓ caught up      lag 0 B",
        "✓ switched over  writes paused 0.21 s",
    ]


@pytest.mark.parametrize(
    ("spec", "status", "namespace"),
    [
        ({"placement": {"namespace": "people"}}, {}, "people"),
        ({"placement": {"namespace": "shop"}}, {}, ""),
        ({}, {"endpointTarget": "people"}, "people"),
        ({"placement": {"cluster": "west"}}, {}, "shop@west"),
        ({}, {}, ""),
    ],
)
def test_other_namespace(spec: Object, status: Object, namespace: str) -> None:
    """The other namespace is declared by spec.placement or recorded in the status."""
    assert move.other_namespace(live("users", status=status, **spec)) == namespace
