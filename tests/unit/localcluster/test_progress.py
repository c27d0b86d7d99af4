"""Tests of progress lines."""

from __future__ import annotations

import pytest

from localcluster import progress


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "0.0s"), (9.94, "9.9s"), (9.96, "10s"), (14.2, "14s"), (59.6, "1m00s"), (362, "6m02s")],
)
def test_duration_format(seconds: float, shown: str) -> None:
    """Durations have at most five characters."""
    assert progress.duration(seconds) == shown


def test_step_success(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal, each distinct message is printed once, and the final line has ✓ and the detail."""
    with progress.step("cluster") as step:
        step.say("starting")
        step.say("starting")
        step.detail = "2 nodes"
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("  … cluster") and lines[0].endswith("starting")
    assert lines[1].startswith("  ✓ cluster") and lines[1].endswith("2 nodes")


def test_step_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """A step that raises an exception ends with ✗."""
    with pytest.raises(ValueError, match="no"), progress.step("cluster"):
        raise ValueError("no")
    assert capsys.readouterr().out.startswith("  ✗ cluster")
