"""Comparison of live and desired objects."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from freehold.core.model.resources import Object
from freehold.kube import diff
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.worlds import SERVICES, objects_of, observed, reconcile, service, settled


@pytest.mark.parametrize(
    ("says", "live", "desired", "same"),
    [
        ("the same", {"a": 1}, {"a": 1}, True),
        ("a field filled in by the server", {"a": 1, "b": 2}, {"a": 1}, True),
        ("a nested field filled in by the server", {"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, True),
        ("a field filled in within a list", {"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1}]}, True),
        ("another value", {"a": 1}, {"a": 2}, False),
        ("a missing field", {}, {"a": 1}, False),
        ("a missing branch", {"a": None}, {"a": {"b": 1}}, False),
        ("an additional item", {"a": [1, 2]}, {"a": [1]}, False),
        ("a missing item", {"a": [1]}, {"a": [1, 2]}, False),
        ("items in another order", {"a": [2, 1]}, {"a": [1, 2]}, False),
        ("an empty list omitted by the server", {}, {"a": []}, True),
        ("an empty object omitted by the server", {}, {"a": {}}, True),
        ("an equal quantity", {"cpu": "1"}, {"cpu": "1000m"}, True),
        ("another quantity", {"memory": "1Gi"}, {"memory": "1G"}, False),
        ("true and false", {"a": True}, {"a": False}, False),
        ("true and a string", {"a": True}, {"a": "yes"}, False),
        ("a string in place of an object", {"a": "b"}, {"a": {"b": 1}}, False),
    ],
)
def test_contains(says: str, live: Object, desired: Object, same: bool) -> None:
    """A live object contains the desired one if only defaults are added."""
    assert diff.contains(live, desired) is same, says


INDEXES = st.integers(0, 10_000)


def leaves(body: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of every value in an object."""
    if isinstance(body, dict):
        return [leaf for key, value in body.items() for leaf in leaves(value, (*path, key))]
    if isinstance(body, list):
        return [leaf for index, value in enumerate(body) for leaf in leaves(value, (*path, index))]
    return [path]


@given(SERVICES, INDEXES, INDEXES)
def test_changed_or_lost_value_found(subject: object, which: int, where: int) -> None:
    """Every changed or lost value of an object is found."""
    bodies = list(objects_of(reconcile(subject, settled(subject, observed()))).values())  # type: ignore[arg-type]
    body = bodies[which % len(bodies)]
    paths = leaves(body)
    *parents, last = paths[where % len(paths)]
    changed, lost = copy.deepcopy(body), copy.deepcopy(body)
    for edited in (changed, lost):
        inner: object = edited
        for step in parents:
            inner = inner[step]  # type: ignore[index]
        if edited is changed:
            inner[last] = "something else"  # type: ignore[index]
        else:
            del inner[last]  # type: ignore[attr-defined]
    assert diff.contains(body, body)
    assert not diff.contains(changed, body)
    assert not diff.contains(lost, body)


def job(content: str, template: str, **spec: object) -> Object:
    annotations = {"freehold.dev/applied-hash": content}
    return {"kind": "Job", "metadata": {"annotations": annotations}, "spec": {"template": template, **spec}}


@pytest.mark.parametrize(
    ("says", "desired", "sent"),
    [
        ("the same content", job("a", "wanted"), job("a", "live")),
        ("the same content, a changed field", job("a", "wanted", suspend=False), job("a", "live", suspend=False)),
        ("other content", job("b", "wanted"), job("b", "wanted")),
    ],
)
def test_immutable_field_stays(says: str, desired: Object, sent: Object) -> None:
    """An immutable field that is not as applied stays as it was created, unless other content is desired."""
    assert diff.with_immutable(desired, job("a", "live", suspend=True)) == sent, says


@pytest.mark.parametrize(
    ("live", "desired", "more"),
    [
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, False),
        ({"a": [{"b": [1, 2]}]}, {"a": [{"b": [1]}]}, True),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": [1], "b": [1]}, {"a": [1]}, False),
        ({"a": {"b": [1]}}, {"a": {"b": []}}, True),
        ({"a": "b"}, {"a": ["b"]}, False),
    ],
)
def test_more_items(live: Object, desired: Object, more: bool) -> None:
    """Items that are added to a desired list are found."""
    assert diff.has_more_items(live, desired) is more


def test_unchanged_service_contained() -> None:
    """The objects of a service contain themselves."""
    subject = service()
    for body in objects_of(reconcile(subject, settled(subject, observed()))).values():
        assert diff.matches(body, body)


POLICY: Object = {
    "kind": "NetworkPolicy",
    "spec": {
        "podSelector": {"matchLabels": {"a": "b"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": 5432}]}],
        "egress": [],
    },
}


@pytest.mark.parametrize(
    ("says", "path", "value", "same"),
    [
        ("an open range", ("ingress", 0, "ports", 0, "endPort"), 65535, False),
        ("a selector that selects nothing", ("podSelector", "matchLabels", "no-such"), "pod", False),
        ("an expression that selects nothing", ("podSelector", "matchExpressions"), [{"key": "x"}], False),
        ("all namespaces", ("ingress", 0, "from", 0, "namespaceSelector"), {}, False),
        ("a missing selector", ("ingress", 0, "from", 0), {}, False),
        ("another protocol", ("ingress", 0, "ports", 0, "protocol"), "UDP", False),
        ("an open direction", ("egress",), [{}], False),
        ("a single direction", ("policyTypes",), ["Ingress"], False),
        ("the default protocol", ("ingress", 0, "ports", 0, "protocol"), "TCP", True),
    ],
)
def test_network_policy_exact(says: str, path: tuple[str | int, ...], value: object, same: bool) -> None:
    """Each field that was added to a network policy is found, whoever manages it; the server's defaults are not."""
    changed = copy.deepcopy(POLICY)
    *parents, last = path
    inner: Any = changed["spec"]
    for step in parents:
        inner = inner[step]
    inner[last] = value
    assert diff.matches(changed, POLICY) is same, says
    omitted = {key: value for key, value in POLICY["spec"].items() if key != "egress"}
    assert diff.matches({**POLICY, "spec": omitted}, POLICY)


@given(SERVICES, INDEXES, INDEXES, st.sampled_from(["endPort", "except", "namespaceSelector", "x"]))
def test_field_added_to_network_policy_found(subject: object, which: int, where: int, key: str) -> None:
    """A field added anywhere in a planned network policy is found."""
    planned = objects_of(reconcile(subject, settled(subject, observed()))).values()  # type: ignore[arg-type]
    bodies = [body for body in planned if body["kind"] == "NetworkPolicy"]
    live = copy.deepcopy(bodies[which % len(bodies)])
    parts = _objects_in(live["spec"])
    part = parts[where % len(parts)]
    if key not in part:
        part[key] = {}
        assert not diff.matches(live, bodies[which % len(bodies)])


def _objects_in(value: object) -> list[Object]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    own = [value] if isinstance(value, dict) else []
    return [*own, *(found for each in inner for found in _objects_in(each))]
