"""Continuous connection attempts from many pods to all their targets, while declarations change."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.programs import connection_prober
from tests.e2e.support.reachability import Member, Pair, pairs

PYTHON = "/opt/users/bin/python"
PROGRAM = Path(connection_prober.__file__).read_text()


class Place(NamedTuple):
    """The pod and the address of a member."""

    pod: str
    address: str


class Expected(NamedTuple):
    """The expected answers: pairs in `always` must answer, pairs in `sometimes` may answer, and no others."""

    always: set[Pair]
    sometimes: set[Pair]


@dataclass
class Tally:
    """Counts of attempts. shut, open: on pairs that had to be closed or open; missed: failures on open pairs that the
    next attempt did not repeat; failing: open pairs whose last attempt failed.

    While a set of rules is replaced, a connection that is being opened may be refused. A single failure is therefore no
    error, as long as the next attempt succeeds.
    """

    shut: int = 0
    open: int = 0
    missed: int = 0
    wrong: list[str] = field(default_factory=list)
    failing: set[Pair] = field(default_factory=set)

    def judge(self, expected: Expected, fared: Mapping[Pair, str]) -> None:
        """Add one round. fared: the outcome of each attempt."""
        for pair, outcome in fared.items():
            if pair in expected.always:
                self.open += 1
                self._had_to_be_open(pair, outcome)
            elif pair not in expected.sometimes:
                self.shut += 1
                if outcome == connection_prober.ANSWERED:
                    self._is_wrong(f"{pair} answered, which no declaration allows")

    def _had_to_be_open(self, pair: Pair, outcome: str) -> None:
        if outcome == connection_prober.ANSWERED:
            self.failing.discard(pair)
        elif pair in self.failing:
            self._is_wrong(f"{pair} failed twice running ({outcome}), though declared all the while")
        else:
            self.missed += 1
            self.failing.add(pair)

    def _is_wrong(self, what: str) -> None:
        self.wrong.append(f"{datetime.now(UTC):%H:%M:%S.%f} {what}")


class Probing:
    """Probers in pods for the duration of the block. Rounds are judged while expected answers are set."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._news = threading.Condition()
        self._probers: dict[Member, _Prober] = {}
        self._expected: Expected | None = None
        self.tally = Tally()

    def __enter__(self) -> Probing:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.aim((), {})

    def aim(self, sources: Iterable[Member], places: Mapping[Member, Place]) -> None:
        """Probe from these sources to all places but their own; end the probers of other sources."""
        wanted = set(sources)
        for gone in set(self._probers) - wanted:
            self._probers.pop(gone).end()
        for source in wanted:
            if source not in self._probers:
                self._probers[source] = _Prober(self, self._cluster, source, places[source].pod)
            self._probers[source].aim(places)

    def expect(self, always: set[Pair], sometimes: set[Pair]) -> None:
        """Judge each round that ends from now on by these sets of pairs."""
        with self._news:
            self._expected = Expected(always, sometimes)
            self.tally.failing.clear()

    def expect_nothing(self) -> None:
        """Stop to judge rounds."""
        with self._news:
            self._expected = None

    def until(self, table: set[Pair], within: float) -> set[Pair]:
        """Wait until the open pairs equal a table, in rounds that begin after now; return the open pairs at the end."""
        with self._news:
            # The present round may have begun before; the round after it has not.
            fresh = {source: source.rounds + 2 for source in self._probers.values()}

            def holds() -> bool:
                return all(source.rounds >= least for source, least in fresh.items()) and self._table() == table

            self._news.wait_for(holds, within)
            silent = [source.member.name for source, least in fresh.items() if source.rounds < least]
            assert not silent, f"no whole round in {within:g} s from {', '.join(silent)}"
            return self._table()

    def _table(self) -> set[Pair]:
        return set[Pair]().union(*(source.open for source in self._probers.values()))

    def hear(self, source: _Prober, fared: Mapping[Pair, str]) -> None:
        """Record the end of a round."""
        with self._news:
            source.rounds += 1
            source.open = {pair for pair, outcome in fared.items() if outcome == connection_prober.ANSWERED}
            if self._expected:
                self.tally.judge(self._expected, fared)
            self._news.notify_all()


class _Prober:
    """The prober of one source. rounds: the number of finished rounds; open: the open pairs of the last round."""

    def __init__(self, probing: Probing, cluster: Cluster, member: Member, pod: str) -> None:
        self.member = member
        self.rounds = 0
        self.open: set[Pair] = set()
        self._probing = probing
        self._lists: list[list[Pair]] = []
        command = ["kubectl", "-n", member.namespace, "exec", "-i", pod, "--", PYTHON, "-c", PROGRAM, "try"]
        self._process = subprocess.Popen(
            command, env=cluster.stage.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        threading.Thread(target=self._read, daemon=True).start()

    def aim(self, places: Mapping[Member, Place]) -> None:
        listed = sorted(pairs([self.member], places))
        self._lists.append(listed)
        assert self._process.stdin
        self._process.stdin.write(json.dumps([(places[pair.target].address, pair.port) for pair in listed]) + "\n")
        self._process.stdin.flush()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            said = json.loads(line)
            # A round on an older list of targets does not count.
            if said["list"] == len(self._lists):
                self._probing.hear(self, dict(zip(self._lists[-1], said["fared"], strict=True)))
