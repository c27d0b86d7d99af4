"""The parts of the benchmarks, on a real or a simulated cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from hack.stage import choose, install, introduce, prepare
from localcluster.errors import LocalClusterError
from localcluster.progress import Step, step

from . import endpoint, languages, memory, move, namespaces, policies, ready, tls, writes
from .errors import BenchmarkError
from .extent import Extent
from .figures import Outcome, without_bounds
from .kubectl import Kubectl
from .rig import simulated_cluster

REAL = ("ready", "policies", "tls", "endpoint", "languages", "move")
PARTS = (*REAL, "simulated")
CONCURRENT_PARTS = 3
"""The number of concurrent parts in a slice; most of the time each part waits for the cluster."""


class Part(NamedTuple):
    """measure: runs the part. detail: text for the last line of progress."""

    measure: Callable[[Step], Outcome]
    detail: str


def on_real_cluster(names: Sequence[str], extent: Extent) -> list[Outcome]:
    """Run parts in sequence, on a cluster with running pods and enforced network policies."""
    outcomes = []
    for name, part in _prepared(names, extent).items():
        with step(name) as progress:
            outcomes.append(part.measure(progress))
            progress.detail = part.detail
    return outcomes


def concurrently(names: Sequence[str], extent: Extent) -> list[Outcome]:
    """Run parts concurrently, to find errors in less time. Bounds are removed, because parts slow each other down.

    Raises BenchmarkError with the name of the first failed part, after the end of all parts.
    """
    parts = _prepared(names, extent)
    with step("slice") as progress, ThreadPoolExecutor(CONCURRENT_PARTS) as executor:
        # The last parts take longest.
        started = {name: executor.submit(part.measure, Step(name)) for name, part in reversed(parts.items())}
        progress.detail = ", ".join(parts)
    outcomes = []
    for name in parts:
        try:
            outcomes.append(without_bounds(started[name].result()))
        except (BenchmarkError, LocalClusterError) as error:
            raise BenchmarkError(f"{name}: {error}") from error
    return outcomes


def _prepared(names: Sequence[str], extent: Extent) -> dict[str, Part]:
    """Prepare a cluster with Freehold, without namespaces of an earlier run; return the parts by name."""
    kind = choose()
    introduce("Freehold's figures", kind)
    stage = prepare(kind, ("operator", "postgres", "users", "payments"))
    install(stage)
    kubectl = Kubectl(stage.kubeconfig)
    namespaces.clear(kubectl)
    longer = replace(extent, rounds=2 * extent.rounds)
    shorter = replace(extent, rounds=max(1, extent.rounds // 3))
    rounds, changes = extent.rounds, extent.changes
    parts = {
        "ready": Part(partial(ready.compare, kubectl, extent), f"{rounds} rounds with the operator and without"),
        "policies": Part(partial(policies.measure, kubectl, extent), f"{changes} changes in each direction"),
        "tls": Part(partial(tls.compare, kubectl, extent), f"{rounds} rounds in plaintext and with mutual TLS"),
        "endpoint": Part(partial(endpoint.compare, kubectl, longer), f"{longer.rounds} rounds by name and by address"),
        "languages": Part(partial(languages.compare, kubectl, stage, extent), f"{rounds} rounds of each language"),
        "move": Part(partial(move.compare, kubectl, shorter), f"{shorter.rounds} rounds of each size"),
    }
    return {name: part for name, part in parts.items() if name in names}


def on_simulated_cluster(extent: Extent) -> list[Outcome]:
    """Measure API writes and memory, for which simulated pods suffice."""
    services, idle = extent.services, extent.idle
    with step("memory") as progress, simulated_cluster(services + 1) as rig:
        progress.say(f"{services} services on simulated nodes")
        with memory.with_services(rig, services) as (_, outcome):
            progress.say("API writes of a further service")
            outcomes = [outcome, writes.until_ready(rig)]
            progress.say(f"{idle:.0f} s idle")
            outcomes.append(writes.while_idle(rig, idle, services + 1))
        progress.say("a restart of the operator")
        outcomes.append(memory.after_restart(rig, services + 1, outcome.raw["empty"]))
        progress.detail = f"{services} services on simulated nodes, {idle:.0f} s idle"
    return outcomes
