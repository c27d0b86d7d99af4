"""Moves under load in both directions, and the pause that a client notices."""

from __future__ import annotations

import time
from statistics import median

from tests.move.load import Scene
from tests.move.programs import outcome_of, start_switchover
from tests.move.servers import Server

MOVES = 2
PAUSE_MS = 1000
LONGEST_SECONDS = 2


def test_moves_rows_there_and_back(pair: tuple[Server, Server]) -> None:
    """Moves under load in both directions keep each row once."""
    scene = Scene(*pair)
    try:
        pauses = [_moved(scene, number) for number in range(MOVES)]
    finally:
        scene.stop()
    longest = scene.client.longest()
    print(f"\npauses of {MOVES} moves: {pauses} ms; the longest write of a client: {longest * 1000:.0f} ms")
    assert median(pauses) <= PAUSE_MS
    assert longest < LONGEST_SECONDS
    scene.check(*pair)


def _moved(scene: Scene, number: int) -> int:
    """Move once, let the former primary follow the new one, and return the pause in milliseconds."""
    there = (scene.source, scene.target) if number % 2 == 0 else (scene.target, scene.source)
    source, target = there
    found = outcome_of(start_switchover(source, target))
    assert found["outcome"] == "completed" and found["sessions"] >= 2 and found["replayedLsn"], found
    ended = time.monotonic()
    scene.goes_on()
    source.stop()
    source.start(follow=target)
    source.wait_ready()
    assert source.ask("SELECT pg_is_in_recovery()")
    assert "rewinding from last common checkpoint" in source.log
    witness = scene.witnesses[number % 2]
    assert not [row for row in witness.accepted if row.began > ended], "the one that was closed took rows"
    return int(found["writePauseMs"])
