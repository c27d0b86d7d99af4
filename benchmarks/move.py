"""Duration and write pause of a move, for 10 MB to 1 GB of data, compared with pg_dump and pg_restore.

A writer inserts a hundred rows per second while the database moves to the other zone; the longest gap between two rows
is the write pause. In the same rounds, the same data is copied without the operator: a dump streamed into a fresh
server, during which writes must stop. The comparison favours the dump: the start of the fresh server and the redirect
of the service are not counted.
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
from .process import ends_with_parent
from .services import microservice

PAUSE_SECONDS = 1.0
GROWTH, SLACK_SECONDS = 1.5, 0.2
"""The bound on the largest database's pause: a multiple of the smallest database's pause, plus seconds.

The pause must not grow with the data.
"""
SERVICE, WRITER, DUMPER = "users", "writer", "dumper"
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
"""Rows of about 1000 bytes, below the size at which PostgreSQL compresses values."""


class Round(NamedTuple):
    """The times of a round, in seconds.

    total: duration of the move. pause: write pause measured by the writer. reported: write pause in the status. dump:
    duration of pg_dump and pg_restore.
    """

    total: float
    pause: float
    reported: float
    dump: float


def compare(kubectl: Kubectl, extent: Extent, step: Step) -> Outcome:
    """Move a database of each size, round by round."""
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
        sleep = ["sleep", "infinity"]
        pods.start(kubectl, namespace, SERVICE, IMAGE, sleep, name=WRITER, binding=f"{SERVICE}-database")
        pods.start(kubectl, namespace, SERVICE, POSTGRESQL, sleep, name=DUMPER, binding=f"{SERVICE}-database-owner")
        for number in range(rounds):
            step.say(f"{size} MB, round {number + 1} of {rounds}")
            dump = _dumped(kubectl, namespace)
            total, pause, move = _moved(kubectl, namespace, ZONES[(number + 1) % 2])
            yield Round(total, pause, move["writePauseMs"] / 1000, dump)
            # Without a rollback standby each round starts with an initial copy.
            for old in (f"statefulset/{server}", f"pvc/{server.replace('-database', '-database-data')}"):
                kubectl("wait", "-n", namespace, "--for=delete", old, "--timeout=120s", timeout=130)
            server = move["server"]


def service(namespace: str) -> dict[str, Any]:
    """Return a service in the first zone, with the shortest rollback window."""
    database = {
        "storage": {"size": "4Gi"},
        "migrations": {"command": ["users", "migrate"]},
        "deletionPolicy": "Delete",
    }
    placement = {"nodeSelector": {"topology.kubernetes.io/zone": ZONES[0]}, "rollbackWindow": "1s"}
    return microservice(namespace, SERVICE, IMAGE, grpc={}, database=database, placement=placement)


def _dumped(kubectl: Kubectl, namespace: str) -> float:
    script = (SCRIPTS / "dump-and-restore.sh").read_text()
    return float(kubectl("exec", "-n", namespace, DUMPER, "--", "bash", "-c", script, timeout=LONGEST_SECONDS))


def _moved(kubectl: Kubectl, namespace: str, zone: str) -> tuple[float, float, dict[str, Any]]:
    """Move the database; return the duration and the write pause in seconds, and status.move."""
    options = ("-n", namespace, f"--kubeconfig={kubectl.kubeconfig}", "--zone", zone, "-o", "json")
    with _writing(kubectl, namespace) as writing:
        began = time.monotonic()
        command = [str(FREEHOLD), "move", SERVICE, *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False)
        total = time.monotonic() - began
        output, _ = writing.communicate(timeout=60)
    if done.returncode or writing.returncode:
        raise BenchmarkError(f"the move to zone {zone} did not complete: {done.stdout}{done.stderr}")
    gaps = json.loads(output)
    return total, gaps["longest"] - gaps["usual"], json.loads(done.stdout)


@contextmanager
def _writing(kubectl: Kubectl, namespace: str) -> Iterator[subprocess.Popen[str]]:
    script = (SCRIPTS / "rows.py").read_text()
    execute = kubectl.command("exec", "-i", "-n", namespace, WRITER, "--", "/opt/users/bin/python", "-c", script)
    command, pipe = ends_with_parent([*execute, str(LONGEST_SECONDS)]), subprocess.PIPE
    process = subprocess.Popen(
        command,
        stdin=pipe,
        stdout=pipe,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def outcome(rounds_by_size: Mapping[int, Sequence[Round]]) -> Outcome:
    """Return the medians for each size, in MB, and the bound on the growth of the write pause."""
    medians = {
        size: Round(*map(statistics.median, zip(*rounds, strict=True))) for size, rounds in rounds_by_size.items()
    }
    smallest, largest = min(medians), max(medians)
    figures: list[Figure] = []
    for size, median in medians.items():
        note = f"median of {len(rounds_by_size[size])} rounds; dump and restore {median.dump:.1f} s, without writes"
        pauses = [each.pause for each in rounds_by_size[size]]
        spread = f"{min(pauses):.2f} to {max(pauses):.2f} s for a client; switchover {median.reported:.2f} s"
        figures += [
            Figure(f"move of {_named(size)}", median.total, "s", note=note),
            Figure(f"write pause, {_named(size)}", median.pause, "s", PAUSE_SECONDS, spread),
        ]
    bound = GROWTH * medians[smallest].pause + SLACK_SECONDS
    note = f"at most {GROWTH:g} times the pause of {_named(smallest)} plus {SLACK_SECONDS:g} s"
    name = f"write pause, {_named(largest)} against {_named(smallest)}"
    figures.append(Figure(name, medians[largest].pause, "s", bound, note))
    raw = {_named(size): [each._asdict() for each in rounds] for size, rounds in rounds_by_size.items()}
    return Outcome("move", tuple(figures), raw)


def _named(size: int) -> str:
    return f"{size} MB" if size < 1000 else f"{size / 1000:g} GB"
