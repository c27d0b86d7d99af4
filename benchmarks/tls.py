"""Latency of calls with mutual TLS compared with plaintext: the same service twice, called at a constant rate.

The calls come from a pod with a declared consumer's labels (see ghz). Both variants run at the same time, because a
slow machine then affects both equally. Both have pods in two zones, called alternately, so that neither variant has the
busier node. The calls are health checks, which need no database: the remaining difference is TLS.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from localcluster.progress import Step

from . import ghz, namespaces
from .extent import Extent
from .figures import Figure, Outcome
from .ghz import IMAGE, Latency
from .kubectl import Kubectl
from .services import microservice

BOUND_MS = 1.0
RATE = 100
PLAINTEXT, MUTUAL, CALLER, USERS = "plaintext", "mutual", "caller", "users"
IDENTITY = ("--cacert=/identity/ca.crt", "--cert=/identity/tls.crt", "--key=/identity/tls.key")
READY_SECONDS = 180


def compare(kubectl: Kubectl, extent: Extent, step: Step) -> Outcome:
    """Call both variants at the same time in each round."""
    step.say("two services and a caller")
    latencies: dict[str, list[Latency]] = {PLAINTEXT: [], MUTUAL: []}
    with namespaces.fresh(kubectl) as namespace, ThreadPoolExecutor(len(latencies)) as executor:
        kubectl.apply(*services(namespace))
        kubectl.wait_ready("-n", namespace, PLAINTEXT, MUTUAL, seconds=READY_SECONDS)
        caller = ghz.start_caller(kubectl, namespace, CALLER, extent.call_seconds, step, identity=f"{CALLER}-identity")
        for number in extent.numbers():
            step.say(extent.progress(number))
            measured = list(executor.map(partial(_round, caller), latencies))
            for variant, latency in zip(latencies, measured, strict=True):
                latencies[variant] += [latency] if number else []
    return outcome(latencies)


def services(namespace: str) -> list[dict[str, Any]]:
    """Return the service in plaintext and with mutual TLS, a consumer of both and a provider for both."""
    database = {"storage": {"size": "64Mi"}, "migrations": {"command": ["payments", "migrate"]}}
    called = {"replicas": 2, "database": database, "consumes": [{"name": USERS}]}
    specs: dict[str, dict[str, Any]] = {
        PLAINTEXT: {"grpc": {}, **called},
        MUTUAL: {"grpc": {"tls": "Mutual"}, **called},
        CALLER: {"grpc": {}, "replicas": 0, "consumes": [{"name": PLAINTEXT}, {"name": MUTUAL}]},
        USERS: {"grpc": {}, "replicas": 0},
    }
    return [microservice(namespace, name, IMAGE, **spec) for name, spec in specs.items()]


def _round(caller: ghz.Caller, variant: str) -> Latency:
    security = IDENTITY if variant == MUTUAL else ghz.PLAINTEXT
    return caller.constant(f"dns:///{variant}.{caller.namespace}.svc:50051", RATE, security)


def outcome(latencies: Mapping[str, Sequence[Latency]]) -> Outcome:
    """Return the medians of the 99th percentiles of all rounds, and the overhead of mutual TLS."""
    p99 = {key: statistics.median(each.p99 for each in rounds) for key, rounds in latencies.items()}
    figures = (
        Figure("call in plaintext, p99", p99[PLAINTEXT], "ms", note=ghz.spread(latencies[PLAINTEXT])),
        Figure("call with mutual TLS, p99", p99[MUTUAL], "ms", note=ghz.spread(latencies[MUTUAL])),
        Figure("mutual TLS overhead, p99", p99[MUTUAL] - p99[PLAINTEXT], "ms", BOUND_MS, f"{RATE} calls per second"),
    )
    return Outcome("tls", figures, {key: [each._asdict() for each in rounds] for key, rounds in latencies.items()})
