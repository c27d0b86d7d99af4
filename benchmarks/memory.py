"""Memory and processor time of the operator per service, and the time until many services are Ready."""

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
    """Start an operator, apply services and wait until all are Ready; yield the operator and the figures."""
    with rig.operator() as operator:
        empty, processor = operator.settled_memory(), operator.processor_seconds()
        took = _all_ready(rig, services)
        processor = operator.processor_seconds() - processor
        full = operator.settled_memory()
        growth = (full - empty) / services / 1000
        figures = (
            Figure("operator memory, no services", empty / MEGABYTE, "MB"),
            Figure(f"operator memory, {services} services", full / MEGABYTE, "MB"),
            Figure("operator memory per service", growth, "kB", KILOBYTES_A_SERVICE),
            Figure(f"{services} services at once, all Ready", took, "s", note=f"{services / took:.1f} per second"),
            Figure("operator processor time per service", processor / services * 1000, "ms"),
        )
        raw = {"services": services, "empty": empty, "full": full, "seconds": took, "processor_seconds": processor}
        yield operator, Outcome("memory", figures, raw)


def after_restart(rig: Rig, services: int, empty: float) -> Outcome:
    """Measure the memory of an operator started with existing services. empty: memory without services, in bytes."""
    with rig.operator("operator-again") as operator:
        full = operator.settled_memory()
    growth = (full - empty) / services / 1000
    figure = Figure(
        "memory per service after a restart", growth, "kB", note="no bound: includes the memory of the first lists"
    )
    return Outcome("restart", (figure,), {"services": services, "full": full})


def _all_ready(rig: Rig, services: int) -> float:
    """Apply services at once; return the seconds until the last is Ready."""
    namespaces = [f"services-{number}" for number in range(math.ceil(services / IN_ONE_NAMESPACE))]
    rig.namespaces(*namespaces)
    started = time.monotonic()
    bodies = [microservice(namespaces[n // IN_ONE_NAMESPACE], f"users-{n % IN_ONE_NAMESPACE}") for n in range(services)]
    rig.kubectl.apply(*bodies)
    for namespace in namespaces:
        rig.kubectl.wait_ready("-n", namespace, "--all", seconds=READY_SECONDS)
    return time.monotonic() - started
