"""Amounts to measure: a full run for figures, or the smallest run that exercises every part."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Extent:
    """The number and length of measurements of each part.

    rounds: rounds of each variant. warm_up: whether an uncounted round comes first. changes: changes of `consumes` in
    each direction. call_seconds: length of a round of calls. languages: languages of the called servers. sizes: sizes
    of moved databases, in MB of rows. services: services on simulated nodes. idle: seconds without any change.
    """

    rounds: int = 10
    warm_up: bool = True
    changes: int = 50
    call_seconds: int = 10
    languages: tuple[str, ...] = ("python", "go", "java", "node")
    sizes: tuple[int, ...] = (10, 100, 1000)
    services: int = 100
    idle: float = 600

    def numbers(self) -> range:
        """Return the numbers of the rounds; round 0 warms up and is not counted."""
        return range(0 if self.warm_up else 1, self.rounds + 1)

    def progress(self, number: int) -> str:
        """Return the text of a round for the progress line."""
        return f"round {number} of {self.rounds}"


FULL = Extent()
SLICE = Extent(rounds=1, warm_up=False, changes=2, call_seconds=2, languages=("python",), sizes=(10,), idle=30)
"""Enough to find errors. With fewer services the memory per service would vanish in the operator's own memory."""
