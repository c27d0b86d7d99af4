"""What services cost the operator: memory and processor time, and how long many take to be Ready at once."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .figures import Figure, Outcome
from .process import Operator
from .rig import Rig, microservice

KILOBYTES_A_SERVICE = 150.0
IN_ONE_NAMESPACE = 10
READY_SECONDS = 600
MEGABYTE = 1_000_000


@contextmanager
def with_services(rig: Rig, services: int) -> Iterator[tuple[Operator, Outcome]]:
    """An operator that came to serve so many, all of them Ready, and what that took."""
    with rig.operator() as operator:
        empty, processor = operator.settled_memory(), operator.processor_seconds()
        took = _all_ready(rig, services)
        processor = operator.processor_seconds() - processor
        full = operator.settled_memory()
        growth = (full - empty) / services / 1000
        figures = (
            Figure("operator memory, no services", empty / MEGABYTE, "MB"),
            Figure(f"operator memory, {services} services", full / MEGABYTE, "MB"),
            Figure("operator memory for each service", growth, "kB", KILOBYTES_A_SERVICE),
            Figure(f"{services} services at once, all Ready", took, "s", note=f"{services / took:.1f} a second"),
            Figure("operator processor time for each", processor / services * 1000, "ms"),
        )
        raw = {"services": services, "empty": empty, "full": full, "seconds": took, "processor_seconds": processor}
        yield operator, Outcome("memory", figures, raw)


def after_restart(rig: Rig, services: int, empty: float) -> Outcome:
    """The memory of an operator that starts with so many services there. empty: its memory with none, in bytes."""
    with rig.operator("operator-again") as operator:
        full = operator.settled_memory()
    growth = (full - empty) / services / 1000
    figure = Figure(
        "the same after a restart", growth, "kB", note="no bound: what the first lists take at once counts too"
    )
    return Outcome("restart", (figure,), {"services": services, "full": full})


def _all_ready(rig: Rig, services: int) -> float:
    """Seconds from the first of so many services to the last of them Ready."""
    namespaces = [f"services-{number}" for number in range(math.ceil(services / IN_ONE_NAMESPACE))]
    rig.namespaces(*namespaces)
    started = time.monotonic()
    wanted = [microservice(namespaces[n // IN_ONE_NAMESPACE], f"users-{n % IN_ONE_NAMESPACE}") for n in range(services)]
    rig.kubectl.apply(*wanted)
    for namespace in namespaces:
        rig.kubectl.wait_ready("-n", namespace, "--all", seconds=READY_SECONDS)
    return time.monotonic() - started
