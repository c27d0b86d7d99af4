"""The table of the durations of stories."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.e2e.support import waits
from tests.e2e.support.story_times import PROPERTY, StoryTimes, table


def report(file: str, test: str, when: str, duration: float, *measured: float) -> pytest.TestReport:
    """Return a report in the form of a worker."""
    name = f"tests/e2e/{file}.py::{test}"
    properties = [(PROPERTY, list(measured))]
    return pytest.TestReport(
        name,
        (file, 1, test),
        {},
        "passed",
        None,
        when,  # type: ignore[arg-type]
        duration=duration,
        user_properties=properties,  # type: ignore[arg-type]
    )


def test_story_times_table() -> None:
    """The slowest story comes first, with the sums of its tests by phase, and the sum of all at the end."""
    plugin = StoryTimes()
    for each in (
        report("test_shop", "test_one", "setup", 20.0, 18.0, 1.0),
        report("test_drift", "test_a", "setup", 10.0, 5.0, 0.5),
        report("test_drift", "test_a", "call", 15.0, 12.0, 1.5),
        report("test_drift", "test_b", "call", 4.0, 3.0, 0.25),
    ):
        plugin.pytest_runtest_logreport(each)
    head, *rows = (line.split() for line in table(plugin._stories.values()))
    assert head == ["story", "tests", "wall", "setup", "call", "teardown", "waits", "processor"]
    assert rows == [
        ["test_drift", "2", "29.0", "10.0", "19.0", "0.0", "20.0", "2.2"],
        ["test_shop", "1", "20.0", "20.0", "0.0", "0.0", "18.0", "1.0"],
        ["sum", "3", "49.0", "30.0", "19.0", "0.0", "38.0", "3.2"],
    ]


def test_story_times_phase_measured() -> None:
    """A phase measures its waits and its processor time."""
    plugin = StoryTimes()
    phase: Iterator[None] = plugin.pytest_runtest_call()
    next(phase)
    with waits.waiting():
        time.sleep(0.05)
    with pytest.raises(StopIteration):
        next(phase)
    waited, processor = plugin._measured
    assert waited >= 0.05
    assert 0 <= processor < 5


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("wait pod/users --for=condition=Ready", True),
        ("rollout status deployment/users", True),
        ("delete microservice/users", True),
        ("delete namespace shop --wait=false", False),
        ("get pods", False),
        ("exec pod -- psql", False),
    ],
)
def test_story_times_waits(command: str, expected: bool) -> None:
    """kubectl waits with wait, rollout and delete, but not with --wait=false."""
    assert waits.waits(command.split()) is expected
