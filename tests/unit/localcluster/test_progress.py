"""Progress lines: the columns a reader scans, and nothing said twice where lines cannot be redrawn."""

from __future__ import annotations

import pytest

from localcluster import progress


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "0.0s"), (9.94, "9.9s"), (9.96, "10s"), (14.2, "14s"), (59.6, "1m00s"), (362, "6m02s")],
)
def test_durations_are_short(seconds: float, shown: str) -> None:
    assert progress.duration(seconds) == shown


def test_a_step_that_ends_well_is_ticked_with_its_detail(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.step("cluster") as step:
        step.say("starting")
        step.say("starting")
        step.detail = "2 nodes"
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert said[0].startswith("  … cluster") and said[0].endswith("starting")
    assert said[1].startswith("  ✓ cluster") and said[1].endswith("2 nodes")


def test_a_step_that_fails_is_crossed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no"), progress.step("cluster"):
        raise ValueError("no")
    assert capsys.readouterr().out.startswith("  ✗ cluster")
