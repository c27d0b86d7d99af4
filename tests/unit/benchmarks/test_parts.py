"""How much each part measures, and what becomes of parts that run at once."""

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


def test_a_slice_has_one_round_and_no_warm_up() -> None:
    assert list(SLICE.numbers()) == [1]
    assert [number for number in FULL.numbers() if number] == list(range(1, FULL.rounds + 1))
    assert FULL.numbers().start == 0


def test_bounds_of_time_are_not_judged_in_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_prepared", lambda *_: {"slow": parts.Part(lambda _: SLOW, "")})
    (alone,), (beside,) = parts.on_real_cluster(["slow"], FULL), parts.several_at_once(["slow"], SLICE)
    assert missed([alone]) == list(SLOW.figures)
    assert not missed([beside])


def test_a_part_that_fails_is_named_once_all_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []

    def failing(_: Step) -> Outcome:
        raise BenchmarkError("no call went well")

    def well(_: Step) -> Outcome:
        ended.append("well")
        return SLOW

    some = {"tls": parts.Part(failing, ""), "walls": parts.Part(well, "")}
    monkeypatch.setattr(parts, "_prepared", lambda *_: some)
    with pytest.raises(BenchmarkError, match=r"^tls: no call went well"):
        parts.several_at_once(list(some), SLICE)
    assert ended == ["well"]


def test_every_part_has_a_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> None: ...

    for name in ("introduce", "install"):
        monkeypatch.setattr(parts, name, none)
    monkeypatch.setattr(parts.namespaces, "clear", none)
    monkeypatch.setattr(parts, "choose", lambda: "local")
    monkeypatch.setattr(parts, "prepare", lambda *_: Stage("local", Path("kubeconfig")))
    found = parts._prepared(parts.REAL, SLICE)
    assert tuple(found) == parts.REAL
    assert found["move"].detail == "1 rounds of each size, and as many by hand"
