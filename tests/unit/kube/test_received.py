"""Objects as received: decoded within bounds, whatever a server answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from freehold.core.model.resources import Object
from freehold.kube import diff, received
from freehold.kube.kinds import MICROSERVICE, NAMESPACE
from freehold.kube.received import UnusableObjectError

GOOD: Object = {"metadata": {"namespace": "shop", "name": "users", "uid": "1", "resourceVersion": "7"}}


def nested(depth: int) -> str:
    """Return JSON of the given depth, as text: Python's encoder refuses such a depth as well."""
    return '{"f:a":' * depth + "{}" + "}" * depth


@pytest.mark.parametrize("depth", [1, 300, 1_100, 10_000, 100_000])
def test_deep_value_decoded(depth: int) -> None:
    """A value of any depth is decoded, and the values beside it are complete."""
    page = f'{{"items": [{{"deep": {nested(depth)}, "after": [1, "}}]", "\\\\"]}}, {{"next": 2}}], "metadata": {{}}}}'
    first, second = received.decode(page.encode())["items"]
    assert (first["after"], second) == ([1, "}]", "\\"], {"next": 2})


def test_deep_value_cut() -> None:
    """A value that Python cannot decode is empty from a fixed level."""
    levels, inner = 0, received.decode(nested(5_000).encode())
    while inner:
        levels, inner = levels + 1, inner["f:a"]
    assert levels == received.CUT_DEPTH - 1


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"a": ' + b"9" * 5_000 + b', "b": 1}', {"a": None, "b": 1}),
        (b'{"a": "\xff", "b": 1}', {"a": "�", "b": 1}),
        (b'{"a": "\\ud800"}', {"a": "\ud800"}),
    ],
)
def test_value_that_python_refuses(raw: bytes, expected: Any) -> None:
    """A value that Python's decoder refuses does not hide the values beside it."""
    assert received.decode(raw) == expected


@pytest.mark.parametrize("raw", [b"", b"<html>", b'{"a": ', b'"open', b'"open\\', b"[" * 2_000, b"]" * 2_000])
def test_no_json(raw: bytes) -> None:
    """Any other body is refused by ValueError alone."""
    with pytest.raises(ValueError):  # noqa: PT011 - the message is the decoder's
        received.decode(raw)


@pytest.mark.parametrize(
    "live",
    [
        None,
        [],
        {},
        {"metadata": None},
        {"metadata": []},
        {"metadata": {"name": "users"}},
        *({"metadata": {**GOOD["metadata"], **wrong}} for wrong in list[Object]((
            {"name": ""},
            {"name": "n" * 300},
            {"name": ["users"]},
            {"namespace": 1},
            {"uid": {}},
            {"resourceVersion": "latest"},
            {"resourceVersion": "9" * 5_000},
            {"labels": {"a": 1}},
            {"labels": ["a"]},
            {"annotations": "many"},
            {"ownerReferences": [{"kind": "Microservice"}]},
            {"managedFields": ["freehold"]},
        ))),
        {**GOOD, "spec": json.loads(nested(received.MAX_DEPTH + 1))},
    ],
)  # fmt: skip
def test_unusable_object(live: Any) -> None:
    """An object of another form than the API's is refused, with a short cause."""
    with pytest.raises(UnusableObjectError) as refused:
        received.usable(MICROSERVICE, live)
    assert len(str(refused.value)) < 300


def test_usable_object() -> None:
    """An object has the kind that was asked for; managedFields of any depth are allowed."""
    entry = {"manager": "x", "operation": "Update", "fieldsV1": received.decode(nested(1_500).encode())}
    live = {**GOOD, "kind": "Secret", "metadata": {**GOOD["metadata"], "managedFields": [entry]}}
    usable = received.usable(MICROSERVICE, live)
    assert (usable["kind"], usable["apiVersion"]) == ("Microservice", "freehold.dev/v1alpha1")
    assert diff.foreign(usable)


def test_report_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """The log has the name on a single, bounded line, and the metric counts the kind."""
    before = _count("Namespace")
    named = {"metadata": {"namespace": "evil\nINFO forged", "name": "n" * 5_000}}
    received.report_dropped(NAMESPACE, named, ValueError("\x1b]0;" * 1_000))
    assert _count("Namespace") == before + 1
    assert "\n" not in caplog.messages[-1] and "\x1b" not in caplog.messages[-1] and len(caplog.messages[-1]) < 700


def _count(kind: str) -> float:
    return float(received.DROPPED.labels(kind)._value.get())
