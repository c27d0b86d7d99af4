"""The busy share of the machine's processors, as hack.processors reads it from /proc/stat."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.processors import Processors, busy

STAT = "cpu  {user} 0 50 {idle} {iowait} 0 0 0 7 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n"


def test_processors_now(tmp_path: Path) -> None:
    """Idle time and time that waits for a disk are not busy, and guest time counts once."""
    stat = tmp_path / "stat"
    stat.write_text(STAT.format(user=100, idle=300, iowait=50))
    assert Processors.now(stat) == Processors(busy=150, total=500)


def test_processors_share_since() -> None:
    """The share is that of the time between two readings."""
    assert Processors(busy=190, total=600).share_since(Processors(busy=150, total=500)) == pytest.approx(0.4)
    assert Processors(1, 1).share_since(Processors(1, 1)) == 0


def test_processors_not_measured(tmp_path: Path) -> None:
    """Without /proc/stat there is no reading, and the text is empty."""
    assert Processors.now(tmp_path / "absent") is None
    assert busy(None, Processors(1, 1)) == busy(Processors(1, 1), None) == ""
    assert busy(Processors(0, 0), Processors(71, 100)).startswith("71 % of ")
