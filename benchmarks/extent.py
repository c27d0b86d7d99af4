"""How much is measured: all of it for figures, or the smallest run that exercises every part."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Extent:
    """How often and how long each part measures.

    rounds: of each way that is compared. warm_up: whether a round that does not count comes first. changes: of
    `consumes`, each way. call_seconds: the length of a round of calls. languages: whose servers are called. sizes: of
    the databases that move, in MB of rows. services: on simulated nodes. idle: seconds in which nothing happens.
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
        """The numbers of the rounds; 0 is the round that does not count."""
        return range(0 if self.warm_up else 1, self.rounds + 1)

    def shown(self, number: int) -> str:
        """A round, for the line that shows progress."""
        return f"round {number} of {self.rounds}"


FULL = Extent()
SLICE = Extent(rounds=1, warm_up=False, changes=2, call_seconds=2, languages=("python",), sizes=(10,), idle=30)
"""Enough to find errors. With fewer services the memory for each could not be told from the operator's own."""
