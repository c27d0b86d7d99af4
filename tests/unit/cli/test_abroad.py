"""A move to another namespace by hand: the resource that is made there, and what is told meanwhile."""

from __future__ import annotations

import pytest
from freehold.cli.commands import move_edits, move_namespace
from freehold.cli.commands.move_progress import Telling
from freehold.core.model.resources import Object
from freehold.views.errors import Failure

from tests.unit.cli.pictures import live
from tests.unit.core.worlds import GRPC

SHOP, PEOPLE = ({"namespace": name} for name in ("shop", "people"))


def at(step: str, state: str, to: Object = PEOPLE) -> Object:
    """As the operator shows a move from shop."""
    said = [{"type": "Relocated", "status": state, "reason": step, "message": f"said of {step}"}]
    status = {"move": {"from": SHOP, "to": to, "step": step}, "conditions": said}
    return live("users", status=status, grpc=GRPC)


def told(telling: Telling, shown: Object) -> list[str]:
    return [line.plain.strip() for line in telling.lines(shown, 0)]


def test_the_one_that_takes_over_is_like_the_one_that_goes_and_names_the_same_services() -> None:
    expose = {"gateway": {"name": "public"}, "hostnames": ["users.example.com"]}
    consumes = [{"name": "ledger"}, {"name": "rates", "namespace": "bank", "methods": ["a.B/C"]}]
    placement = {"nodeSelector": {"disk": "ssd"}, "namespace": "people"}
    made = move_namespace.successor(
        live("users", grpc={**GRPC, "expose": expose}, consumes=consumes, placement=placement), "people"
    )
    assert (made["metadata"]["namespace"], made["metadata"]["name"]) == ("people", "users")
    assert made["spec"]["placement"] == {"nodeSelector": {"disk": "ssd"}, "from": "shop"}
    assert made["spec"]["consumes"] == [{"name": "ledger", "namespace": "shop"}, consumes[1]]
    assert made["spec"]["grpc"]["expose"]["gateway"] == {"name": "public", "namespace": "shop"}
    assert "status" not in made
    assert "uid" not in made["metadata"]


def test_it_is_written_as_the_other_namespace_and_taken_back_by_taking_it_out() -> None:
    nowhere = {"namespace": None, "cluster": None}
    for aim in ({"namespace": "people"}, {"cluster": "west"}):
        (written,) = (f"{key}={value}" for key, value in aim.items())
        assert move_edits.towards(live("users"), [written]) == {"spec": {"placement": {**nowhere, **aim}}}
    with pytest.raises(Failure, match="goes alone"):
        move_edits.towards(live("users"), ["namespace=people", "zone=b"])
    with pytest.raises(Failure, match="goes alone"):
        move_edits.towards(live("users"), ["namespace=people", "cluster=west"])
    out = {"spec": {"placement": nowhere}}
    assert move_edits.back(at("Relocated", "True")) == out
    assert move_edits.abort(at("MovingPods", "Unknown"))["spec"] == out["spec"]


def test_one_whose_cluster_is_not_seen_says_so_and_can_be_taken_back() -> None:
    said = {"type": "Relocated", "status": "False", "reason": "ClusterUnknown", "message": "there is no Secret west"}
    seen = live("users", placement={"cluster": "west"}, status={"conditions": [said]})
    assert told(Telling("kubectl freehold move users"), seen) == [
        "✗ not seen       there is no Secret west",
        "kubectl freehold move users --abort takes it back",
    ]
    assert move_edits.abort(seen)["spec"] == {"placement": {"namespace": None, "cluster": None}}


def test_each_step_is_told_once_and_what_stops_it() -> None:
    telling = Telling("kubectl freehold move users")
    assert told(telling, at("MovingPods", "Unknown")) == ["✓ checked        namespace people takes it over"]
    assert told(telling, at("Relocated", "True")) == [
        "✓ pods moved     new ones serve in namespace people",
        "✓ name turned    whoever uses it is led there",
    ]
    blocked = told(telling, at("MoveBlocked", "False"))
    assert blocked == ["✗ blocked        said of MoveBlocked", "kubectl freehold move users --abort takes it back"]
    assert told(Telling(""), at("MovingPods", "Unknown", to=SHOP)) == []
    assert told(Telling(""), at("AtDestination", "True", to=SHOP)) == [
        "✓ in place       it stands where it is to stand"
    ]


@pytest.mark.parametrize(
    ("spec", "status", "there"),
    [
        ({"placement": {"namespace": "people"}}, {}, "people"),
        ({"placement": {"namespace": "shop"}}, {}, ""),
        ({}, {"endpointTarget": "people"}, "people"),
        ({"placement": {"cluster": "west"}}, {}, "shop@west"),
        ({}, {}, ""),
    ],
)
def test_where_it_stands_or_is_to(spec: Object, status: Object, there: str) -> None:
    assert move_namespace.namespace(live("users", status=status, **spec)) == there
