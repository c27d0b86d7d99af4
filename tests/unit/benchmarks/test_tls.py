"""Reports of ghz, and the figures of calls with mutual TLS."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.ghz import Latency, read
from benchmarks.tls import MUTUAL, PLAINTEXT, outcome

REPORT: dict[str, Any] = {
    "statusCodeDistribution": {"OK": 1000},
    "latencyDistribution": [{"percentage": 50, "latency": 650_000}, {"percentage": 99, "latency": 2_300_000}],
}


def test_ghz_report_milliseconds() -> None:
    """Latencies are in milliseconds; calls without a connection are tolerated up to 1 %."""
    assert read(REPORT, 1000) == Latency(0.65, 2.3)
    assert read({**REPORT, "statusCodeDistribution": {"OK": 995, "Unavailable": 5}}, 1000) == Latency(0.65, 2.3)


@pytest.mark.parametrize("codes", [{"OK": 999}, {"OK": 990, "PermissionDenied": 10}, {"OK": 980, "Unavailable": 20}])
def test_ghz_failed_calls(codes: dict[str, int]) -> None:
    """Missing or failed calls make a round invalid."""
    with pytest.raises(BenchmarkError, match="not all of 1000 calls"):
        read({**REPORT, "statusCodeDistribution": codes}, 1000)


def test_tls_slow_round() -> None:
    """A slow round does not change the figures."""
    plaintext = [Latency(0.6, 2.0), Latency(0.6, 2.2), Latency(0.6, 40.0)]
    mutual = [Latency(0.7, 2.5), Latency(0.7, 60.0), Latency(0.7, 2.9)]
    _, _, overhead = outcome({PLAINTEXT: plaintext, MUTUAL: mutual}).figures
    assert (round(overhead.value, 2), overhead.bound, overhead.met) == (0.7, 1.0, True)
