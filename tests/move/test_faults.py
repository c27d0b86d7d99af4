"""Parties of a switchover that are killed at a step; `pytest -m campaign tests/move` tries all pairs."""

from __future__ import annotations

import pytest
from freehold.agents.postgresql.switchover_steps import Step

from tests.move.faults import LATE, SOON, STEPS, VICTIMS, moved_or_kept
from tests.move.servers import Server

SLICE = (
    ("switchover", Step.TERMINATING, SOON, "completed"),
    ("switchover", Step.UNFENCING, SOON, "completed"),
    ("source", Step.UNFENCING, SOON, "completed"),
    ("target", Step.CONFIRMING, LATE, "failed"),
    ("target", Step.UNFENCING, LATE, "completed"),
    ("proxy", Step.PROMOTING, SOON, "completed"),
    ("switchover+target", Step.DONE, LATE, "completed"),
)
"""Victims, step, seconds for which they are down, and the outcome."""


@pytest.mark.parametrize(("victims", "step", "away", "outcome"), SLICE)
def test_faults_killed(pair: tuple[Server, Server], victims: str, step: Step, away: float, outcome: str) -> None:
    """A party killed at a step of the switchover leads to the expected outcome."""
    found = moved_or_kept(pair, victims, step, away)
    print(f"\n{victims} killed at {step}: {found}")
    assert found["outcome"] == outcome


@pytest.mark.campaign
@pytest.mark.parametrize("away", [SOON, LATE], ids=["soon", "late"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("victims", VICTIMS)
def test_faults_campaign(pair: tuple[Server, Server], victims: str, step: Step, away: float) -> None:
    """Each party killed at each step leads to one primary with all rows."""
    print(f"\n{victims} killed at {step} for {away} s: {moved_or_kept(pair, victims, step, away)}")
