"""What a move costs, and how long writes pause for it: 10 MB to 1 GB of data, and the same by pg_dump and pg_restore.

One writes a hundred rows a second to the database while it moves to the other zone; the longest time between two rows
is the pause. In turns with it, the same data is copied as a person would copy it who has no operator: a dump, read into
a fresh server as it is made, during which nobody may write. That server is there already, and nothing is counted for
telling the service where it is, so that the way by hand is given a lead.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from localcluster.progress import Step

from . import namespaces, pods
from .errors import BenchmarkError
from .extent import Extent
from .figures import Figure, Outcome
from .kubectl import Kubectl
from .process import tied
from .services import microservice

PAUSE_SECONDS = 1.0
GROWTH, SLACK_SECONDS = 1.5, 0.2
"""What the pause of the largest may be of that of the smallest, and beyond: it must not grow with the data."""
SERVICE, WRITER, HAND = "users", "writer", "hand"
IMAGE, POSTGRESQL = "localhost/freehold/users:dev", "localhost/freehold/postgres:15"
SCRIPTS = Path(__file__).parent / "scripts"
FREEHOLD = Path(sys.executable).with_name("freehold")
ZONES = ("a", "b")
READY_SECONDS, LONGEST_SECONDS = 180, 600
ROWS_A_MEGABYTE = 1000
FILL = """
SET ROLE owner;
CREATE TABLE ballast AS SELECT n AS id, repeat(md5(n::text), 30) AS body FROM generate_series(1, {rows}) n;
ALTER TABLE ballast ADD PRIMARY KEY (id);
RESET ROLE;
GRANT SELECT ON ballast TO app;
CHECKPOINT;
"""
"""About a thousand bytes a row: too few for PostgreSQL to compress them."""


class Round(NamedTuple):
    """Seconds: the move as a whole, its pause as the writer saw it and as the operator says, and the copy by hand."""

    total: float
    pause: float
    said: float
    hand: float


def compare(kubectl: Kubectl, extent: Extent, step: Step) -> Outcome:
    """Move a database of each size so many times."""
    return outcome({size: list(_rounds(kubectl, size, extent.rounds, step)) for size in extent.sizes})


def _rounds(kubectl: Kubectl, size: int, rounds: int, step: Step) -> Iterator[Round]:
    with namespaces.fresh(kubectl) as namespace:
        step.say(f"a service with {size} MB")
        kubectl.apply(service(namespace))
        kubectl.wait_ready("-n", namespace, SERVICE, seconds=READY_SECONDS)
        fill = FILL.format(rows=size * ROWS_A_MEGABYTE)
        inside = ("psql", "-h", "/var/run/postgresql", "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-qc", fill, "app")
        server = f"{SERVICE}-database"
        kubectl("exec", "-n", namespace, f"{server}-0", "-c", "postgresql", "--", *inside, timeout=LONGEST_SECONDS)
        wait = ["sleep", "infinity"]
        pods.stand(kubectl, namespace, SERVICE, IMAGE, wait, name=WRITER, binding=f"{SERVICE}-database")
        pods.stand(kubectl, namespace, SERVICE, POSTGRESQL, wait, name=HAND, binding=f"{SERVICE}-database-owner")
        for number in range(rounds):
            step.say(f"{size} MB, round {number + 1} of {rounds}")
            hand = _by_hand(kubectl, namespace)
            total, pause, move = _moved(kubectl, namespace, ZONES[(number + 1) % 2])
            yield Round(total, pause, move["writePauseMs"] / 1000, hand)
            # Without a way back each round copies anew.
            for left in (f"statefulset/{server}", f"pvc/{server.replace('-database', '-database-data')}"):
                kubectl("wait", "-n", namespace, "--for=delete", left, "--timeout=120s", timeout=130)
            server = move["server"]


def service(namespace: str) -> dict[str, Any]:
    """One in the first zone that keeps nothing of what it left."""
    database = {
        "storage": {"size": "4Gi"},
        "migrations": {"command": ["users", "migrate"]},
        "deletionPolicy": "Delete",
    }
    placement = {"nodeSelector": {"topology.kubernetes.io/zone": ZONES[0]}, "rollbackWindow": "1s"}
    return microservice(namespace, SERVICE, IMAGE, grpc={}, database=database, placement=placement)


def _by_hand(kubectl: Kubectl, namespace: str) -> float:
    script = (SCRIPTS / "by-hand.sh").read_text()
    return float(kubectl("exec", "-n", namespace, HAND, "--", "bash", "-c", script, timeout=LONGEST_SECONDS))


def _moved(kubectl: Kubectl, namespace: str, zone: str) -> tuple[float, float, dict[str, Any]]:
    """Seconds that the move took, the longest pause in writes, and what the resource says of it."""
    options = ("-n", namespace, f"--kubeconfig={kubectl.kubeconfig}", "--zone", zone, "-o", "json")
    with _writing(kubectl, namespace) as writing:
        began = time.monotonic()
        command = [str(FREEHOLD), "move", SERVICE, *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False)
        total = time.monotonic() - began
        said, _ = writing.communicate(timeout=60)
    if done.returncode or writing.returncode:
        raise BenchmarkError(f"the move to zone {zone} did not come to its end: {done.stdout}{done.stderr}")
    seen = json.loads(said)
    return total, seen["longest"] - seen["usual"], json.loads(done.stdout)


@contextmanager
def _writing(kubectl: Kubectl, namespace: str) -> Iterator[subprocess.Popen[str]]:
    script = (SCRIPTS / "rows.py").read_text()
    command = kubectl.command("exec", "-i", "-n", namespace, WRITER, "--", "/opt/users/bin/python", "-c", script)
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        tied([*command, str(LONGEST_SECONDS)]), stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def outcome(taken: Mapping[int, Sequence[Round]]) -> Outcome:
    """The medians of each size; sizes are in MB."""
    middle = {size: Round(*map(statistics.median, zip(*rounds, strict=True))) for size, rounds in taken.items()}
    smallest, largest = min(middle), max(middle)
    figures: list[Figure] = []
    for size, found in middle.items():
        note = f"median of {len(taken[size])} rounds; by hand {found.hand:.1f} s, in which nobody may write"
        paused = [one.pause for one in taken[size]]
        spread = f"{min(paused):.2f} to {max(paused):.2f} s for a client; the switchover reports {found.said:.2f} s"
        figures += [
            Figure(f"move of {_named(size)}", found.total, "s", note=note),
            Figure(f"writes pause for it, {_named(size)}", found.pause, "s", PAUSE_SECONDS, spread),
        ]
    bound = GROWTH * middle[smallest].pause + SLACK_SECONDS
    said = f"{GROWTH:g} times that of {_named(smallest)} and {SLACK_SECONDS:g} s at most"
    figures.append(Figure(f"pause of {_named(largest)}", middle[largest].pause, "s", bound, said))
    return Outcome("move", tuple(figures), {_named(size): [one._asdict() for one in taken[size]] for size in taken})


def _named(size: int) -> str:
    return f"{size} MB" if size < 1000 else f"{size / 1000:g} GB"
