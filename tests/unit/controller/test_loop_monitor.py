"""The measured delay of the event loop."""

from __future__ import annotations

import asyncio
import time

import pytest
from freehold.controller.loop_monitor import LOG_SECONDS, LoopMonitor
from freehold.controller.metrics import REGISTRY
from freehold.core.model.resources import Key


def test_longest_work_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """A long delay is logged with the longest work since the last measurement."""
    monitor = LoopMonitor()
    for name, seconds in ((Key("shop", "users"), 0.002), (Key("evil", "x"), 0.06), (Key("shop", "carts"), 0.0)):
        with monitor.working_on(name):
            time.sleep(seconds)
    monitor.record(0.063, 0.0)
    (record,) = caplog.records
    assert record.getMessage().startswith("the event loop was blocked for 63 ms; the longest work was evil/x, 6")


def test_log_lines_are_rare(caplog: pytest.LogCaptureFixture) -> None:
    """Of many long delays the longest is logged at intervals, and short ones are not."""
    monitor = LoopMonitor()
    for moment, delay in enumerate((0.01, 0.06, 0.5, 0.9, 0.7)):
        monitor.record(delay, float(moment))
    monitor.record(0.0, LOG_SECONDS + 1)
    monitor.record(0.0, 3 * LOG_SECONDS)
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        "the event loop was blocked for 60 ms",
        "the event loop was blocked for 900 ms",
    ]


async def test_blocked_loop_is_measured() -> None:
    """Work that blocks the loop is measured in a running loop."""
    monitor, measured, delays = LoopMonitor(), asyncio.Event(), list[float]()

    def record(delay: float, _: float) -> None:
        delays.append(delay)
        measured.set()

    monitor.record = record  # type: ignore[method-assign]
    task = asyncio.create_task(monitor.run())
    await asyncio.sleep(0)
    _block(0.3)
    await asyncio.wait_for(measured.wait(), 10)
    task.cancel()
    assert delays[0] > 0.25


def test_delay_is_exported() -> None:
    """Each delay is counted in the histogram."""
    count = "freehold_event_loop_delay_seconds_count"
    before = REGISTRY.get_sample_value(count) or 0.0
    LoopMonitor().record(0.001, 0.0)
    assert REGISTRY.get_sample_value(count) == before + 1


def _block(seconds: float) -> None:
    time.sleep(seconds)
