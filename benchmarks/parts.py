"""The parts of the benchmarks, each on the cluster that it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from hack.stage import choose, install, introduce, prepare
from localcluster.errors import LocalClusterError
from localcluster.progress import Step, step

from . import endpoint, languages, memory, move, namespaces, ready, tls, walls, writes
from .errors import BenchmarkError
from .extent import Extent
from .figures import Outcome, without_bounds
from .kubectl import Kubectl
from .rig import simulated_cluster

REAL = ("ready", "walls", "tls", "endpoint", "languages", "move")
PARTS = (*REAL, "simulated")
SEVERAL = 3
"""So many parts run at once where time is not judged: each waits for the cluster most of the time."""


class Part(NamedTuple):
    """measure: runs it. detail: what it measured, for the last line of progress."""

    measure: Callable[[Step], Outcome]
    detail: str


def on_real_cluster(names: Sequence[str], extent: Extent) -> list[Outcome]:
    """Run these parts one after the other where pods run and network policies are enforced."""
    outcomes = []
    for name, part in _prepared(names, extent).items():
        with step(name) as progress:
            outcomes.append(part.measure(progress))
            progress.detail = part.detail
    return outcomes


def several_at_once(names: Sequence[str], extent: Extent) -> list[Outcome]:
    """Run these parts in less time, for errors alone: parts slow each other, so that no bound of theirs is judged.

    Raises BenchmarkError with the name of the first part that failed, once all have ended.
    """
    parts = _prepared(names, extent)
    with step("slice") as progress, ThreadPoolExecutor(SEVERAL) as several:
        # The last take longest.
        begun = {name: several.submit(part.measure, Step(name)) for name, part in reversed(parts.items())}
        progress.detail = ", ".join(parts)
    outcomes = []
    for name in parts:
        try:
            outcomes.append(without_bounds(begun[name].result()))
        except (BenchmarkError, LocalClusterError) as error:
            raise BenchmarkError(f"{name}: {error}") from error
    return outcomes


def _prepared(names: Sequence[str], extent: Extent) -> dict[str, Part]:
    """The parts by name, on a cluster with Freehold and without the leftovers of an earlier run."""
    kind = choose()
    introduce("Freehold's figures", kind)
    stage = prepare(kind, ("operator", "postgres", "users", "payments"))
    install(stage)
    kubectl = Kubectl(stage.kubeconfig)
    namespaces.clear(kubectl)
    many = replace(extent, rounds=2 * extent.rounds)
    few = replace(extent, rounds=max(1, extent.rounds // 3))
    rounds, changes = extent.rounds, extent.changes
    parts = {
        "ready": Part(partial(ready.compare, kubectl, extent), f"{rounds} rounds with the operator and without"),
        "walls": Part(partial(walls.measure, kubectl, extent), f"{changes} changes of consumes each way"),
        "tls": Part(partial(tls.compare, kubectl, extent), f"{rounds} rounds in plaintext and with mutual TLS"),
        "endpoint": Part(partial(endpoint.compare, kubectl, many), f"{many.rounds} rounds by name and by address"),
        "languages": Part(partial(languages.compare, kubectl, stage, extent), f"{rounds} rounds of each language"),
        "move": Part(partial(move.compare, kubectl, few), f"{few.rounds} rounds of each size, and as many by hand"),
    }
    return {name: part for name, part in parts.items() if name in names}


def on_simulated_cluster(extent: Extent) -> list[Outcome]:
    """Count writes and memory, which are the same where pods only pretend to run."""
    services, idle = extent.services, extent.idle
    with step("memory") as progress, simulated_cluster(services + 1) as rig:
        progress.say(f"{services} services on simulated nodes")
        with memory.with_services(rig, services) as (_, grown):
            progress.say("writes for one more")
            outcomes = [grown, writes.until_ready(rig)]
            progress.say(f"{idle:.0f} s in which nothing happens")
            outcomes.append(writes.while_idle(rig, idle, services + 1))
        progress.say("the operator anew")
        outcomes.append(memory.after_restart(rig, services + 1, grown.raw["empty"]))
        progress.detail = f"{services} services on simulated nodes, {idle:.0f} s idle"
    return outcomes
