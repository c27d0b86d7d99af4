"""A pytest plugin that prints where the time of a run goes: a table of the stories, and the use of the processors.

Each row is a file. `wall` is the time of its setups, calls and teardowns. `waits` is the part that was spent on waiting
for the cluster: watches, and kubectl's wait, delete and rollout. `processor` is the processor time of the test process
and of the programs that it ran to their end, kubectl above all. A session fixture counts for the first story that uses
it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import pytest

from hack.processors import Processors, busy
from tests.e2e.support import waits

PROPERTY = "story-time"
"""The key of a report's property, by which the times of a worker of pytest-xdist reach the process that prints."""
PHASES = ("setup", "call", "teardown")


@dataclass
class Story:
    """The times of one file, in seconds. phases: by setup, call and teardown."""

    name: str
    tests: set[str] = field(default_factory=set)
    phases: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    waits: float = 0.0
    processor: float = 0.0

    @property
    def wall(self) -> float:
        return sum(self.phases.values())


class StoryTimes:
    """The plugin. A worker measures each phase of a test, and the process that prints adds them up."""

    def __init__(self) -> None:
        self._stories: dict[str, Story] = {}
        self._measured = 0.0, 0.0
        self._started, self._processors = time.monotonic(), Processors.now()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self) -> Iterator[None]:
        return (yield from self._phase())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        return (yield from self._phase())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Iterator[None]:
        return (yield from self._phase())

    def _phase(self) -> Iterator[Any]:
        waited, processor = waits.waited(), _processor()
        try:
            return (yield)
        finally:
            self._measured = waits.waited() - waited, _processor() - processor

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Iterator[pytest.TestReport]:
        report: pytest.TestReport = yield  # type: ignore[assignment]
        report.user_properties.append((PROPERTY, self._measured))
        return report  # type: ignore[return-value]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file, _, _ = report.nodeid.partition("::")
        story = self._stories.setdefault(file, Story(PurePath(file).stem))
        story.tests.add(report.nodeid)
        story.phases[report.when] += report.duration
        waited, processor = dict(report.user_properties).get(PROPERTY, (0.0, 0.0))
        story.waits += waited
        story.processor += processor

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._stories:
            terminalreporter.section("time of each story, in seconds")
            for line in table(self._stories.values()):
                terminalreporter.write_line(line)
            use = busy(self._processors, Processors.now())
            terminalreporter.write_line(f"whole run {time.monotonic() - self._started:.0f} s, {use or 'no /proc/stat'}")


def table(stories: Iterable[Story]) -> Iterator[str]:
    """The lines of the table: the slowest story first, and the sum at the end."""
    rows = sorted(stories, key=lambda story: story.wall, reverse=True)
    yield _line("story", "tests", "wall", *PHASES, "waits", "processor")
    for row in rows:
        yield _line(row.name, len(row.tests), row.wall, *row.phases.values(), row.waits, row.processor)
    phases = (sum(row.phases[phase] for row in rows) for phase in PHASES)
    tests, wall = sum(len(row.tests) for row in rows), sum(row.wall for row in rows)
    yield _line("sum", tests, wall, *phases, sum(row.waits for row in rows), sum(row.processor for row in rows))


def _line(name: str, *cells: str | float) -> str:
    texts = (f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in cells)
    return f"{name:<28}" + "".join(f"{text:>10}" for text in texts)


def _processor() -> float:
    """Processor seconds of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
