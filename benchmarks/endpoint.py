"""What the endpoint's name costs a call: the same pod called by the name that never changes, and by its address.

The name is a headless Service, so that there is nothing between a client and the pod: the client looks it up once for a
connection. Both are called at the same time and at the same constant rate, so that what slows the machine for a while
slows both; the figure is the median of each round's own ratio.
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
    """Call both targets at once, round by round; the target that is called first changes with each round."""
    step.say("a service and a caller")
    taken: dict[str, list[Latency]] = {NAME: [], ADDRESS: []}
    with namespaces.fresh(kubectl) as namespace, ThreadPoolExecutor(len(taken)) as both:
        kubectl.apply(*services(namespace))
        kubectl.wait_ready("-n", namespace, PROVIDER, seconds=READY_SECONDS)
        caller = ghz.stand(kubectl, namespace, CALLER, extent.call_seconds, step)
        targets = {
            NAME: f"dns:///{PROVIDER}.{namespace}.svc:50051",
            ADDRESS: f"dns:///{_address(kubectl, namespace)}:50051",
        }
        for number in extent.numbers():
            step.say(extent.shown(number))
            order = list(targets)[:: 1 if number % 2 else -1]
            begun = [(way, both.submit(caller.constant, targets[way], RATE)) for way in order]
            for way, round_ in begun:
                taken[way] += [round_.result()] if number else []
    return outcome(taken)


def services(namespace: str) -> list[dict[str, Any]]:
    """The service, who calls it, and whom it would ask about people."""
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


def outcome(taken: Mapping[str, Sequence[Latency]]) -> Outcome:
    """Both percentiles each way, and what the name adds to each."""
    figures: list[Figure] = []
    for percentile in Latency._fields:
        values = {way: [getattr(each, percentile) for each in rounds] for way, rounds in taken.items()}
        figures += [
            Figure(f"call {way}, {percentile}", statistics.median(found), "ms", note=f"{RATE} calls a second")
            for way, found in values.items()
        ]
        ratio = pairwise_ratio(values[NAME], values[ADDRESS])
        said = f"median of {len(values[NAME])} rounds"
        figures.append(Figure(f"ratio of the two, {percentile}", ratio, bound=BOUND, note=said))
    return Outcome("endpoint", tuple(figures), {w: [each._asdict() for each in r] for w, r in taken.items()})
