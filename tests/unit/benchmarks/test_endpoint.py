"""The figures of calls by name and by address."""

from __future__ import annotations

from benchmarks.endpoint import ADDRESS, NAME, outcome
from benchmarks.ghz import Latency


def test_endpoint_rounds_compared() -> None:
    """The ratio compares both variants within each round."""
    by_name = [Latency(0.61, 2.0), Latency(1.2, 9.0), Latency(0.6, 2.2)]
    by_address = [Latency(0.6, 2.0), Latency(1.2, 9.0), Latency(0.6, 2.0)]
    figures = {figure.name: figure for figure in outcome({NAME: by_name, ADDRESS: by_address}).figures}
    assert figures["ratio name/address, p50"].value == 1.0
    assert figures["ratio name/address, p99"].value == 1.0
    assert figures["call by name, p50"].value == 0.61


def test_endpoint_slow_name() -> None:
    """Slower calls by name miss the bound of the ratio."""
    slow = [Latency(0.65, 2.0)] * 3
    by_address = [Latency(0.6, 2.0)] * 3
    figures = {figure.name: figure for figure in outcome({NAME: slow, ADDRESS: by_address}).figures}
    assert not figures["ratio name/address, p50"].met
    assert figures["ratio name/address, p99"].met
