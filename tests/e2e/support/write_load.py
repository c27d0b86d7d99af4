"""A load of writes through the endpoint, and write attempts at each database server directly; the results of both."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter
from statistics import median
from typing import Any, NamedTuple

from tests.e2e.support.cluster import Space
from tests.e2e.support.grpc_load import PROGRAMS
from tests.e2e.support.pod_exec import PYTHON

SERVERS = ("database", "database-2")
WRITER, CHECKER = "writer", "checker"
LONGEST = 900
"""Seconds after which a load ends by itself, in case its test was killed."""
ENDING = 60


class Taken(NamedTuple):
    """A row that a server accepted: the times of sending and acknowledgement, in Unix seconds."""

    sent: float
    acknowledged: float
    email: str


@dataclass(frozen=True)
class Writes:
    """Acknowledged registrations: time and id of each. failed: the errors of the other calls."""

    acknowledged: Sequence[tuple[float, str]]
    made: int
    failed: Counter[str]

    def pause(self, since: float, until: float) -> float:
        """The longest time between two acknowledgements in the interval, less the median time, in seconds."""
        moments = sorted(moment for moment, _ in self.acknowledged if since <= moment <= until)
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        return max(gaps) - median(gaps)


class Program:
    """A program in a pod that runs until the end of its input, and then prints its result as JSON."""

    def __init__(self, space: Space, pod: str, program: str, *arguments: str) -> None:
        text = (PROGRAMS / program).read_text()
        self._begun = space.begun("exec", "-i", pod, "--", PYTHON, "-c", text, *arguments)

    def ended(self) -> Any:
        said, _ = self._begun.communicate(timeout=ENDING)
        assert self._begun.returncode == 0, "a program ended ill; what it said is in the captured output"
        return json.loads(said)


class Writer(Program):
    """Registrations by calls of users, at a rate a second."""

    def __init__(self, space: Space, rate: int, prefix: str) -> None:
        super().__init__(space, WRITER, "registrations.py", str(rate), str(LONGEST), prefix)

    def writes(self) -> Writes:
        said = self.ended()
        rows = [(moment, person) for moment, person in said["acknowledged"]]
        return Writes(rows, said["made"], Counter(said["failed"]))


class Checker(Program):
    """Write attempts at each database server of users by the server's own name, past the endpoint and the proxy."""

    def __init__(self, space: Space, prefix: str, *servers: str) -> None:
        self.hosts = [f"users-{server}-0.users-database-nodes" for server in servers or SERVERS]
        super().__init__(space, CHECKER, "inserts.py", str(LONGEST), prefix, *self.hosts)

    def taken(self) -> dict[str, list[Taken]]:
        """Return the accepted rows of each host in their order; each host must have refused at least one attempt."""
        said = self.ended()
        assert all(said[host]["refused"] for host in self.hosts), f"one server never refused: {brief(said)}"
        return {host: [Taken(*row) for row in said[host]["taken"]] for host in self.hosts}


def brief(said: Any) -> Any:
    return {host: {"taken": len(one["taken"]), "refused": one["refused"]} for host, one in said.items()}


def turns(taken: dict[str, list[Taken]]) -> list[tuple[str, list[Taken]]]:
    """Group all rows, in the order of sending, into stretches of the same server: one more stretch than moves.

    Rows of two servers that were open at once would alternate."""
    rows = sorted(((row, host) for host, listed in taken.items() for row in listed), key=lambda one: one[0].sent)
    return [(host, [row for row, _ in stretch]) for host, stretch in groupby(rows, key=itemgetter(1))]


def overlaps(stretches: list[tuple[str, list[Taken]]]) -> list[str]:
    """Return a message for each stretch that began before the stretch before it was over."""
    return [
        f"{after} had taken a row at {later[0].acknowledged}, {before} took its last until {earlier[-1].acknowledged}"
        for (before, earlier), (after, later) in pairwise(stretches)
        if later[0].acknowledged < earlier[-1].acknowledged
    ]
