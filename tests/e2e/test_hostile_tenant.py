"""A tenant attacks the operator from its own namespace in every known way at once, and the shop notices nothing.

The tests are part of `make campaign`: for a minute, and for five minutes with more of everything.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from hack.stage import SYSTEM_NAMESPACE
from tests.e2e.support.cluster import Object, Space, conditions
from tests.e2e.support.hostile_namespace import (
    aliases,
    answering,
    contracts,
    escapes,
    floods,
    junk,
    nested,
    undoing,
)

pytestmark = [pytest.mark.alone, pytest.mark.campaign, pytest.mark.timeout(1200)]

SHOP = ("users", "payments", "storefront")
APPLIED_SECONDS = 2.0
MEMORY_LIMIT = 512 * 2**20
"""Bytes; the chart's limit of the operator."""
FLOODS = [
    pytest.param(60, 60, 20, id="minute"),
    pytest.param(300, 400, 60, id="five-minutes"),
]
"""The seconds of the attack, the number of consumers and the number of large ConfigMaps."""


@pytest.fixture
def evil(shop: Space, spaces: Callable[..., Space]) -> Iterator[Space]:
    """The attacker's namespace, which is gone with its objects afterwards. users admits consumers from everywhere."""
    shop.spec("users", grpc={"consumers": {"from": "All"}})
    space = spaces("evil")
    yield space
    shop.spec("users", grpc={"consumers": None})
    shop.spec("payments", egress=None)
    space.cluster.kubectl("delete", "namespace", space.name, "--timeout=300s")


@pytest.mark.parametrize(("seconds", "consumers", "large"), FLOODS)
def test_hostile_tenant(shop: Space, evil: Space, seconds: int, consumers: int, large: int) -> None:
    """The shop stays Ready, each change to the shop is applied within two seconds, and the operator never restarts."""
    shop.until_ready(*SHOP)
    operators, ready_since = _operators(shop), _ready_since(shop)
    taken: list[float] = []
    with undoing(evil):
        begun = time.monotonic()
        changes = _changes(shop)
        for attack in _attacks(evil, shop, consumers, large):
            attack()
            taken.append(next(changes))
        while time.monotonic() < begun + seconds:
            taken.append(next(changes))
    used = _memory(shop)
    print(f"{len(taken)} changes, the slowest applied in {max(taken):.2f} s; the operator uses {used / 2**20:.0f} MiB")
    assert max(taken) < APPLIED_SECONDS, [f"{seconds:.1f}" for seconds in taken]
    assert _ready_since(shop) == ready_since
    assert _operators(shop) == operators
    assert used < MEMORY_LIMIT


def _attacks(evil: Space, shop: Space, consumers: int, large: int) -> Iterator[Callable[[], object]]:
    yield lambda: evil.kubectl("create", "configmap", "nested")
    yield lambda: evil.kubectl(
        "replace", "--raw", f"/api/v1/namespaces/{evil.name}/configmaps/nested", "-f", "-", text=nested(evil.name)
    )
    for service in ("crash", "slow"):
        yield lambda service=service: evil.apply(*contracts(service))
        image = f"registry.invalid/{service}:2"
        yield lambda service=service, image=image: evil.spec(service, image=image)
    yield lambda: evil.apply(*aliases())
    yield lambda: evil.cluster.tried("apply", "-f", "-", text=json.dumps(escapes(evil.name)))
    yield lambda: evil.apply(*answering("answers"))
    yield lambda: evil.apply(*floods(consumers, "users", shop.name))
    for number in range(large):
        yield lambda number=number: evil.kubectl("create", "-f", "-", text=json.dumps(junk(number)))


def _changes(shop: Space) -> Iterator[float]:
    """Change an address block of payments, and yield the seconds until its network policy has the block."""
    for number in count(1):
        block = f"203.0.113.{number % 250}/32"
        shop.spec("payments", egress=[{"cidr": block, "ports": [443]}])
        begun = time.monotonic()
        shop.until("networkpolicy/payments", lambda live, block=block: block in json.dumps(live["spec"]))
        yield time.monotonic() - begun


def _ready_since(shop: Space) -> dict[str, tuple[str, str]]:
    """Return status and last transition of condition Ready for each service of the shop."""
    ready = {name: conditions(shop.get(f"microservice/{name}"))["Ready"] for name in SHOP}
    return {name: (found["status"], found["lastTransitionTime"]) for name, found in ready.items()}


def _operators(shop: Space) -> dict[str, int]:
    """Return the number of restarts of each operator pod, by UID."""
    return {
        pod["metadata"]["uid"]: sum(status["restartCount"] for status in pod["status"]["containerStatuses"])
        for pod in _operator_pods(shop)
    }


def _operator_pods(shop: Space) -> list[Object]:
    chosen = ("-n", SYSTEM_NAMESPACE, "-l", "app.kubernetes.io/component=operator")
    return list(json.loads(shop.cluster.kubectl("get", "pods", *chosen, "-o", "json"))["items"])


def _memory(shop: Space) -> int:
    """Return the largest working set of an operator pod in bytes, from the kubelet's summary."""
    largest = 0
    for pod in _operator_pods(shop):
        path = f"/api/v1/nodes/{pod['spec']['nodeName']}/proxy/stats/summary"
        summary = json.loads(shop.cluster.kubectl("get", "--raw", path))
        for found in summary["pods"]:
            if found["podRef"]["uid"] == pod["metadata"]["uid"]:
                largest = max(largest, found["memory"]["workingSetBytes"])
    assert largest, "the kubelet's summary names no operator pod"
    return largest
