"""What mutual TLS costs a call: one service twice, with it and without, both called at a constant rate.

The calls are made by ghz from a pod that stands where a declared consumer of both stands, on connections that last, as
clients keep them. Each is sent when its time has come and not when the one before is answered, so that a slow answer
delays no other call and hides none. Both are called at the same time, so that what slows the machine for a while slows
both; and both have pods in two zones, called in turns, so that neither stands on the busier node. The calls ask for
health, which needs no database: what is left of the difference is TLS.
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
    """Call both ways at once, round by round."""
    step.say("two services and a caller")
    taken: dict[str, list[Latency]] = {PLAINTEXT: [], MUTUAL: []}
    with namespaces.fresh(kubectl) as namespace, ThreadPoolExecutor(len(taken)) as both:
        kubectl.apply(*services(namespace))
        kubectl.wait_ready("-n", namespace, PLAINTEXT, MUTUAL, seconds=READY_SECONDS)
        caller = ghz.stand(kubectl, namespace, CALLER, extent.call_seconds, step, identity=f"{CALLER}-identity")
        for number in extent.numbers():
            step.say(extent.shown(number))
            found = list(both.map(partial(_round, caller), taken))
            for way, latency in zip(taken, found, strict=True):
                taken[way] += [latency] if number else []
    return outcome(taken)


def services(namespace: str) -> list[dict[str, Any]]:
    """The service in plaintext and with mutual TLS, who calls both, and whom both would ask about people."""
    database = {"storage": {"size": "64Mi"}, "migrations": {"command": ["payments", "migrate"]}}
    called = {"replicas": 2, "database": database, "consumes": [{"name": USERS}]}
    specs: dict[str, dict[str, Any]] = {
        PLAINTEXT: {"grpc": {}, **called},
        MUTUAL: {"grpc": {"tls": "Mutual"}, **called},
        CALLER: {"grpc": {}, "replicas": 0, "consumes": [{"name": PLAINTEXT}, {"name": MUTUAL}]},
        USERS: {"grpc": {}, "replicas": 0},
    }
    return [microservice(namespace, name, IMAGE, **spec) for name, spec in specs.items()]


def _round(caller: ghz.Caller, way: str) -> Latency:
    means = IDENTITY if way == MUTUAL else ghz.PLAINTEXT
    return caller.constant(f"dns:///{way}.{caller.namespace}.svc:50051", RATE, means)


def outcome(taken: Mapping[str, Sequence[Latency]]) -> Outcome:
    """The medians of the rounds' percentiles, and what mutual TLS adds to the slowest hundredth."""
    slow = {way: statistics.median(each.p99 for each in rounds) for way, rounds in taken.items()}
    figures = (
        Figure("call in plaintext, p99", slow[PLAINTEXT], "ms", note=ghz.spread(taken[PLAINTEXT])),
        Figure("the same with mutual TLS, p99", slow[MUTUAL], "ms", note=ghz.spread(taken[MUTUAL])),
        Figure("mutual TLS adds, p99", slow[MUTUAL] - slow[PLAINTEXT], "ms", BOUND_MS, f"{RATE} calls a second"),
    )
    return Outcome("tls", figures, {way: [each._asdict() for each in rounds] for way, rounds in taken.items()})
