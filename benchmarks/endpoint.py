"""Latency of calls by the endpoint's name, compared with calls to the same pod by address.

The name belongs to a headless Service: clients resolve the name once for each connection and connect to the pod without
a proxy. Both variants run at the same time and at the same constant rate, because a slow machine then affects both
equally. The figure is the median of the ratios of all rounds.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from localcluster.progress import Step

from . import ghz, namespaces
from .extent import Extent
from .figures import Figure, Outcome, pairwise_ratio
from .ghz import IMAGE, Latency
from .kubectl import Kubectl
from .services import microservice

BOUND = 1.02
RATE = 200
NAME, ADDRESS = "by name", "by address"
PROVIDER, CALLER, USERS = "provider", "caller", "users"
READY_SECONDS = 180


def compare(kubectl: Kubectl, extent: Extent, step: Step) -> Outcome:
    """Call both targets at the same time in each round; the order of the first calls alternates."""
    step.say("a service and a caller")
    latencies: dict[str, list[Latency]] = {NAME: [], ADDRESS: []}
    with namespaces.fresh(kubectl) as namespace, ThreadPoolExecutor(len(latencies)) as executor:
        kubectl.apply(*services(namespace))
        kubectl.wait_ready("-n", namespace, PROVIDER, seconds=READY_SECONDS)
        caller = ghz.start_caller(kubectl, namespace, CALLER, extent.call_seconds, step)
        targets = {
            NAME: f"dns:///{PROVIDER}.{namespace}.svc:50051",
            ADDRESS: f"dns:///{_address(kubectl, namespace)}:50051",
        }
        for number in extent.numbers():
            step.say(extent.progress(number))
            order = list(targets)[:: 1 if number % 2 else -1]
            started = [(variant, executor.submit(caller.constant, targets[variant], RATE)) for variant in order]
            for variant, round_ in started:
                latencies[variant] += [round_.result()] if number else []
    return outcome(latencies)


def services(namespace: str) -> list[dict[str, Any]]:
    """Return the called service, a consumer and a provider."""
    database = {"storage": {"size": "64Mi"}, "migrations": {"command": ["payments", "migrate"]}}
    specs: dict[str, dict[str, Any]] = {
        PROVIDER: {"grpc": {}, "database": database, "consumes": [{"name": USERS}]},
        CALLER: {"grpc": {}, "replicas": 0, "consumes": [{"name": PROVIDER}]},
        USERS: {"grpc": {}, "replicas": 0},
    }
    return [microservice(namespace, name, IMAGE, **spec) for name, spec in specs.items()]


def _address(kubectl: Kubectl, namespace: str) -> str:
    chosen = f"app.kubernetes.io/instance={PROVIDER},app.kubernetes.io/component=service,!freehold.dev/probe"
    return kubectl("get", "pods", "-n", namespace, "-l", chosen, "-o", "jsonpath={.items[0].status.podIP}")


def outcome(latencies: Mapping[str, Sequence[Latency]]) -> Outcome:
    """Return both percentiles of both variants, and the ratio of the variants for each percentile."""
    figures: list[Figure] = []
    for percentile in Latency._fields:
        values = {key: [getattr(each, percentile) for each in rounds] for key, rounds in latencies.items()}
        figures += [
            Figure(f"call {variant}, {percentile}", statistics.median(rounds), "ms", note=f"{RATE} calls per second")
            for variant, rounds in values.items()
        ]
        ratio = pairwise_ratio(values[NAME], values[ADDRESS])
        note = f"median of {len(values[NAME])} rounds"
        figures.append(Figure(f"ratio name/address, {percentile}", ratio, bound=BOUND, note=note))
    return Outcome(
        "endpoint", tuple(figures), {key: [each._asdict() for each in rounds] for key, rounds in latencies.items()}
    )
