"""The amounts of each part, and parts that run concurrently."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import parts
from benchmarks.errors import BenchmarkError
from benchmarks.extent import FULL, SLICE
from benchmarks.figures import Figure, Outcome, missed
from hack.stage import Stage
from localcluster.progress import Step

SLOW = Outcome("slow", (Figure("time", 9.0, "s", bound=1.0),))


def test_parts_slice_extent() -> None:
    """A slice has a single round and no warm-up."""
    assert list(SLICE.numbers()) == [1]
    assert [number for number in FULL.numbers() if number] == list(range(1, FULL.rounds + 1))
    assert FULL.numbers().start == 0


def test_parts_slice_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice has no bounds on time."""
    monkeypatch.setattr(parts, "_prepared", lambda *_: {"slow": parts.Part(lambda _: SLOW, "")})
    (full,), (sliced,) = parts.on_real_cluster(["slow"], FULL), parts.concurrently(["slow"], SLICE)
    assert missed([full]) == list(SLOW.figures)
    assert not missed([sliced])


def test_parts_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the failed part, after the end of all parts."""
    ended: list[str] = []

    def failing(_: Step) -> Outcome:
        raise BenchmarkError("all calls failed")

    def succeeding(_: Step) -> Outcome:
        ended.append("policies")
        return SLOW

    both = {"tls": parts.Part(failing, ""), "policies": parts.Part(succeeding, "")}
    monkeypatch.setattr(parts, "_prepared", lambda *_: both)
    with pytest.raises(BenchmarkError, match=r"^tls: all calls failed"):
        parts.concurrently(list(both), SLICE)
    assert ended == ["policies"]


def test_parts_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part has a measurement."""

    def none(*_: Any) -> None: ...

    for name in ("introduce", "install"):
        monkeypatch.setattr(parts, name, none)
    monkeypatch.setattr(parts.namespaces, "clear", none)
    monkeypatch.setattr(parts, "choose", lambda: "local")
    monkeypatch.setattr(parts, "prepare", lambda *_: Stage("local", Path("kubeconfig")))
    prepared = parts._prepared(parts.REAL, SLICE)
    assert tuple(prepared) == parts.REAL
    assert prepared["move"].detail == "1 rounds of each size"
