"""Attempts without end, from where many pods stand to all their targets, while something is changed around them."""

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

from tests.e2e import prober
from tests.e2e.cluster import Cluster
from tests.e2e.tables import Member, Pair, pairs

PYTHON = "/opt/users/bin/python"
PROGRAM = Path(prober.__file__).read_text()


class Place(NamedTuple):
    """Where a member is."""

    pod: str
    address: str


class Expected(NamedTuple):
    """What may be seen for the time being: `always` has to answer, `sometimes` may, and nothing else."""

    always: set[Pair]
    sometimes: set[Pair]


@dataclass
class Tally:
    """Attempts that were judged. refused: on pairs that had to be shut; answered: on pairs that had to be open."""

    refused: int = 0
    answered: int = 0
    wrong: list[str] = field(default_factory=list)

    def judge(self, expected: Expected, tried: set[Pair], opened: set[Pair]) -> None:
        """Add one round."""
        shut, wanted = tried - expected.always - expected.sometimes, tried & expected.always
        self.refused += len(shut)
        self.answered += len(wanted)
        moment = datetime.now(UTC).strftime("%H:%M:%S.%f")[:-3]
        self.wrong += [f"{moment} {pair} answered, which no declaration allows" for pair in sorted(shut & opened)]
        self.wrong += [f"{moment} {pair} did not answer, though declared all the while" for pair in wanted - opened]


class Probing:
    """Probers in pods, for as long as the block lasts. expected: what is judged by; None for no judgement."""

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
        """From now on these sources try all of the places but their own; probers of other sources end."""
        wanted = set(sources)
        for gone in set(self._probers) - wanted:
            self._probers.pop(gone).end()
        for source in wanted:
            if source not in self._probers:
                self._probers[source] = _Prober(self, self._cluster, source, places[source].pod)
            self._probers[source].aim(places)

    def expect(self, always: set[Pair], sometimes: set[Pair]) -> None:
        """Judge each round that ends from now on."""
        with self._news:
            self._expected = Expected(always, sometimes)

    def expect_nothing(self) -> None:
        with self._news:
            self._expected = None

    def until(self, table: set[Pair], within: float) -> set[Pair]:
        """Wait until what answers is this table, in rounds that began after now; returns what answered at last."""
        with self._news:
            # The round under way may have begun before; the one after it did not.
            fresh = {prober: prober.rounds + 2 for prober in self._probers.values()}

            def holds() -> bool:
                return all(prober.rounds >= least for prober, least in fresh.items()) and self._table() == table

            self._news.wait_for(holds, within)
            silent = [prober.source.name for prober, least in fresh.items() if prober.rounds < least]
            assert not silent, f"no whole round in {within:g} s from {', '.join(silent)}"
            return self._table()

    def _table(self) -> set[Pair]:
        return set[Pair]().union(*(prober.open for prober in self._probers.values()))

    def hear(self, prober: _Prober, tried: set[Pair], opened: set[Pair]) -> None:
        """A round has ended."""
        with self._news:
            prober.rounds += 1
            prober.open = opened
            if self._expected:
                self.tally.judge(self._expected, tried, opened)
            self._news.notify_all()


class _Prober:
    """One source. rounds: how many have ended on its newest list; open: what answered in the last one."""

    def __init__(self, probing: Probing, cluster: Cluster, source: Member, pod: str) -> None:
        self.source = source
        self.rounds = 0
        self.open: set[Pair] = set()
        self._probing = probing
        self._lists: list[list[Pair]] = []
        command = ["kubectl", "-n", source.namespace, "exec", "-i", pod, "--", PYTHON, "-c", PROGRAM, "try"]
        self._process = subprocess.Popen(
            command, env=cluster.stage.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        threading.Thread(target=self._read, daemon=True).start()

    def aim(self, places: Mapping[Member, Place]) -> None:
        listed = sorted(pairs([self.source], places))
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
            # A round on an older list says nothing of the places that are asked about now.
            if said["list"] == len(self._lists):
                tried = self._lists[-1]
                self._probing.hear(self, set(tried), {tried[place] for place in said["open"]})
