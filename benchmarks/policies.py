"""Time from a change of `consumes` to enforced network policies, measured by connection attempts of the consumer.

Neither service has pods, because a change would restart the consumer's pods during the measurement. Two pods with the
services' labels, selected by the same policies, replace them: a listener, and a client that connects continuously.
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
from .pods import start
from .process import ends_with_parent
from .services import microservice

BOUND = 2.0
PROVIDER, CONSUMER, PORT = "provider", "consumer", 50051
IMAGE = "localhost/freehold/users:dev"
LISTEN = ["python3", "-m", "http.server", str(PORT)]
ATTEMPTS = Path(__file__).parent / "scripts" / "connection_attempts.py"
OPEN, CLOSED = "open", "closed"
PATIENCE_SECONDS = 30.0
HOLD_SECONDS = 1.0
"""Seconds for which the port must keep its state until a change counts as enforced and the next change starts."""
ATTEMPTS_SECONDS = 3600


class Transition(NamedTuple):
    """A change of the port's state. at: start of the first attempt with the new state, in seconds (monotonic clock)."""

    state: str
    at: float


Transitions = queue.SimpleQueue[Transition]


def measure(kubectl: Kubectl, extent: Extent, step: Step) -> Outcome:
    """Add and remove an entry of `consumes` alternately; measure the time until each change is enforced."""
    durations: dict[str, list[float]] = {OPEN: [], CLOSED: []}
    with namespaces.fresh(kubectl) as namespace:
        kubectl.apply(*(_service(namespace, name) for name in (PROVIDER, CONSUMER)))
        for name in (PROVIDER, CONSUMER):
            kubectl("wait", "-n", namespace, "--for=create", f"networkpolicy/{name}", "--timeout=60s", timeout=70)
        address = start(kubectl, namespace, PROVIDER, IMAGE, LISTEN)
        start(kubectl, namespace, CONSUMER, IMAGE, ["sleep", "infinity"])
        with _attempts(kubectl, namespace, address) as transitions:
            settled(transitions, CLOSED)
            for number in range(extent.changes):
                if number % 10 == 0:
                    step.say(f"change {number} of {extent.changes} in each direction")
                for wanted, seconds in durations.items():
                    seconds.append(_change(kubectl, namespace, wanted, transitions))
    return outcome(durations[OPEN], durations[CLOSED])


def outcome(added: Sequence[float], removed: Sequence[float]) -> Outcome:
    """Return the figures of the changes. added, removed: seconds until each change was enforced."""
    figures = (
        Figure("consumes added, until allowed, p99", p99(added), "s", BOUND, _spread(added)),
        Figure("consumes removed, until refused, p99", p99(removed), "s", BOUND, _spread(removed)),
    )
    return Outcome("policies", figures, {"added": list(added), "removed": list(removed)})


def _spread(seconds: Sequence[float]) -> str:
    return f"median {statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s in {len(seconds)} changes"


def _service(namespace: str, name: str) -> dict[str, Any]:
    return microservice(namespace, name, IMAGE, replicas=0, grpc={"port": PORT})


def _change(kubectl: Kubectl, namespace: str, wanted: str, transitions: Transitions) -> float:
    """Return the seconds from the start of `kubectl patch` to the first attempt with the wanted state."""
    spec = {"consumes": [{"name": PROVIDER}] if wanted == OPEN else []}
    started = time.monotonic()
    kubectl("patch", "-n", namespace, f"microservice/{CONSUMER}", "--type=merge", "-p", json.dumps({"spec": spec}))
    return settled(transitions, wanted) - started


def settled(
    transitions: Transitions, wanted: str, patience: float = PATIENCE_SECONDS, hold: float = HOLD_SECONDS
) -> float:
    """Return the time of the last transition to the wanted state, once the state lasts for `hold` seconds.

    Raises BenchmarkError after `patience` seconds.
    """
    last, deadline = Transition("never tried", 0.0), time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            last = transitions.get(timeout=hold)
        except queue.Empty:
            if last.state == wanted:
                return last.at
    raise BenchmarkError(
        f"port {PORT} of {PROVIDER} is not {wanted} to {CONSUMER} after {patience:.0f} s; last state: {last.state}"
    )


@contextmanager
def _attempts(kubectl: Kubectl, namespace: str, address: str) -> Iterator[Transitions]:
    """Attempt connections from the consumer's pod; yield the queue of transitions."""
    script_command = ("python3", "-", address, str(PORT), str(ATTEMPTS_SECONDS))
    command = ends_with_parent(kubectl.command("exec", "-i", "-n", namespace, CONSUMER, "--", *script_command))
    with ATTEMPTS.open("rb") as script:
        process = subprocess.Popen(command, stdin=script, stdout=subprocess.PIPE, text=True)
    transitions: Transitions = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(process.stdout, transitions), daemon=True)
    reader.start()
    try:
        yield transitions
    finally:
        process.kill()
        process.wait()
        reader.join()


def _read(lines: Iterable[str], transitions: Transitions) -> None:
    for line in lines:
        transitions.put(parsed(line, time.monotonic()))


def parsed(line: str, arrived: float) -> Transition:
    """Parse a line of the script. arrived: time of arrival by the local monotonic clock."""
    state, age = line.split()
    return Transition(state, arrived - float(age))
