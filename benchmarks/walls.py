"""Time from a change of `consumes` to walls that follow it, found by trying them from where the consumer stands.

Neither service has pods of its own, for a change rolls those of the consumer, which is not what is measured. Two pods
stand in their places, behind the same policies: one listens, the other knocks at its door all the while.
"""

from __future__ import annotations

import json
import queue
import statistics
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from localcluster.progress import Step

from . import namespaces
from .errors import BenchmarkError
from .extent import Extent
from .figures import Figure, Outcome, p99
from .kubectl import Kubectl
from .pods import stand
from .process import tied
from .services import microservice

BOUND = 2.0
PROVIDER, CONSUMER, PORT = "provider", "consumer", 50051
IMAGE = "localhost/freehold/users:dev"
LISTEN = ["python3", "-m", "http.server", str(PORT)]
KNOCK = Path(__file__).parent / "scripts" / "door.py"
OPEN, SHUT = "open", "shut"
PATIENCE_SECONDS = 30.0
HOLD_SECONDS = 1.0
"""So long the door must stay as it was found before the change counts as enforced, and the next one is made."""
KNOCKING_SECONDS = 3600


class Turn(NamedTuple):
    """The door was found otherwise than before. at: when that attempt began, in seconds of the monotonic clock."""

    found: str
    at: float


Turns = queue.SimpleQueue[Turn]


def measure(kubectl: Kubectl, extent: Extent, step: Step) -> Outcome:
    """So many times each way, in turns."""
    taken: dict[str, list[float]] = {OPEN: [], SHUT: []}
    with namespaces.fresh(kubectl) as namespace:
        kubectl.apply(*(_service(namespace, name) for name in (PROVIDER, CONSUMER)))
        for name in (PROVIDER, CONSUMER):
            kubectl("wait", "-n", namespace, "--for=create", f"networkpolicy/{name}", "--timeout=60s", timeout=70)
        address = stand(kubectl, namespace, PROVIDER, IMAGE, LISTEN)
        stand(kubectl, namespace, CONSUMER, IMAGE, ["sleep", "infinity"])
        with _knocking(kubectl, namespace, address) as turns:
            settled(turns, SHUT)
            for number in range(extent.changes):
                if number % 10 == 0:
                    step.say(f"change {number} of {extent.changes}, each way")
                for wanted, seconds in taken.items():
                    seconds.append(_change(kubectl, namespace, wanted, turns))
    return outcome(taken[OPEN], taken[SHUT])


def outcome(opened: Sequence[float], shut: Sequence[float]) -> Outcome:
    """The figures of so many changes each way, in seconds."""
    figures = (
        Figure("consumes added, until calls pass, p99", p99(opened), "s", BOUND, _spread(opened)),
        Figure("consumes removed, until refused, p99", p99(shut), "s", BOUND, _spread(shut)),
    )
    return Outcome("walls", figures, {"added": list(opened), "removed": list(shut)})


def _spread(seconds: Sequence[float]) -> str:
    return f"median {statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s in {len(seconds)} changes"


def _service(namespace: str, name: str) -> dict[str, Any]:
    return microservice(namespace, name, IMAGE, replicas=0, grpc={"port": PORT})


def _change(kubectl: Kubectl, namespace: str, wanted: str, turns: Turns) -> float:
    """Seconds from `kubectl patch`, its own start included, to the first attempt that found the door as wanted."""
    spec = {"consumes": [{"name": PROVIDER}] if wanted == OPEN else []}
    started = time.monotonic()
    kubectl("patch", "-n", namespace, f"microservice/{CONSUMER}", "--type=merge", "-p", json.dumps({"spec": spec}))
    return settled(turns, wanted) - started


def settled(turns: Turns, wanted: str, patience: float = PATIENCE_SECONDS, hold: float = HOLD_SECONDS) -> float:
    """When the door was found as wanted, and stayed so; at the last turn, should it have gone to and fro.

    Raises BenchmarkError when it is not after so many seconds.
    """
    last, deadline = Turn("never tried", 0.0), time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            last = turns.get(timeout=hold)
        except queue.Empty:
            if last.found == wanted:
                return last.at
    raise BenchmarkError(f"the door of {PROVIDER} is not {wanted} to {CONSUMER} after {patience:.0f} s: {last.found}")


@contextmanager
def _knocking(kubectl: Kubectl, namespace: str, address: str) -> Iterator[Turns]:
    """How the door is found, for the time of a `with`."""
    knock = ("python3", "-", address, str(PORT), str(KNOCKING_SECONDS))
    command = tied(kubectl.command("exec", "-i", "-n", namespace, CONSUMER, "--", *knock))
    with KNOCK.open("rb") as script:
        process = subprocess.Popen(command, stdin=script, stdout=subprocess.PIPE, text=True)
    turns: Turns = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(process.stdout, turns), daemon=True)
    reader.start()
    try:
        yield turns
    finally:
        process.kill()
        process.wait()
        reader.join()


def _read(lines: Iterable[str], turns: Turns) -> None:
    for line in lines:
        turns.put(parsed(line, time.monotonic()))


def parsed(line: str, arrived: float) -> Turn:
    """A line of the knocking pod, by this machine's clock: it says how long ago the attempt began."""
    found, age = line.split()
    return Turn(found, arrived - float(age))
