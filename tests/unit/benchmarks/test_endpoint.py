"""What is made of calls by name and by address."""

from __future__ import annotations

from benchmarks.endpoint import ADDRESS, NAME, outcome
from benchmarks.ghz import Latency


def test_each_round_is_compared_with_itself() -> None:
    by_name = [Latency(0.61, 2.0), Latency(1.2, 9.0), Latency(0.6, 2.2)]
    by_address = [Latency(0.6, 2.0), Latency(1.2, 9.0), Latency(0.6, 2.0)]
    found = {figure.name: figure for figure in outcome({NAME: by_name, ADDRESS: by_address}).figures}
    assert found["ratio of the two, p50"].value == 1.0
    assert found["ratio of the two, p99"].value == 1.0
    assert found["call by name, p50"].value == 0.61


def test_a_name_that_costs_is_found_out() -> None:
    slow = [Latency(0.65, 2.0)] * 3
    by_address = [Latency(0.6, 2.0)] * 3
    found = {figure.name: figure for figure in outcome({NAME: slow, ADDRESS: by_address}).figures}
    assert not found["ratio of the two, p50"].met
    assert found["ratio of the two, p99"].met
