"""Two operators with a Lease: one acts, the other takes over, and two that both act harm nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from freehold.core.model.resources import Object
from freehold.kube.lease import KIND

from tests.api import operators
from tests.api.cluster import Cluster, until
from tests.api.operators import Operator
from tests.api.proxy import Proxy
from tests.api.shop import microservice, replicas
from tests.api.test_interruptions import masked

AFTER_A_KILL, AFTER_A_CLEAN_END = 15.0, 5.0
"""Seconds within which the standby must lead."""
SERVICES = [f"service-{number}" for number in range(10)]
STORED: Object = {"storage": {"size": "1Gi"}}


@dataclass
class Pair:
    """Two operators that compete for a Lease, each with a proxy of its own. took: seconds of each takeover."""

    cluster: Cluster
    namespace: str
    folder: Path
    lease: str
    proxies: list[Proxy]
    members: list[Operator] = field(default_factory=list)
    took: list[float] = field(default_factory=list)

    def start(self, number: int) -> Operator:
        """Start an operator behind a proxy, and wait until it stands by or leads."""
        log = self.folder / f"{self.lease}-{number}-{time.monotonic_ns()}.log"
        operator = operators.start(self.proxies[number].kubeconfig, log, self.namespace, lease=self.lease)
        until(operator.alive, lambda: f"the operator works; it says:\n{log.read_text()}")
        return operator

    def leader(self) -> int | None:
        """Return the number of the member that holds the Lease and acts, or None."""
        holder = self.cluster.request("GET", KIND.path("freehold-system", self.lease))["spec"]["holderIdentity"]
        said = f"leading as {holder}" if holder else "nobody"
        return next((n for n, one in enumerate(self.members) if said in one.log.read_text()), None)

    def led_by(self, number: int, begun: float, within: float) -> None:
        """Wait until a member leads, and record the time."""
        logs = "\n".join(member.log.read_text() for member in self.members)
        until(lambda: self.leader() == number, f"number {number} leads; they say:\n{logs}", seconds=within + 5)
        self.took.append(time.monotonic() - begun)
        assert self.took[-1] <= within, self.took

    def replace_leader(self, *, kill: bool) -> None:
        """End the leader, wait until the standby leads, and start a new standby."""
        leader = until(lambda: (n := self.leader()) is not None and [n], "there is a leader")[0]
        begun = time.monotonic()
        if kill:
            self.members[leader].kill()
        else:
            self.members[leader].stop()
        self.led_by(1 - leader, begun, AFTER_A_KILL if kill else AFTER_A_CLEAN_END)
        self.members[leader] = self.start(leader)


@pytest.fixture(scope="module")
def proxies(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> list[Proxy]:
    return [Proxy(cluster.kubeconfig, tmp_path_factory.mktemp("proxy")) for _ in range(2)]


@contextmanager
def pair(cluster: Cluster, namespace: str, folder: Path, proxies: list[Proxy]) -> Iterator[Pair]:
    """Run two operators for a namespace, with a Lease of the namespace's name."""
    found = Pair(cluster, namespace, folder, namespace, proxies)
    try:
        for number in range(2):
            found.members.append(found.start(number))
        yield found
    finally:
        for member in found.members:
            member.kill()


def churn(cluster: Cluster, home: str, step: int, steps: int) -> None:
    """Create the services of a step, and delete every second one of the step before."""
    share = len(SERVICES) // steps
    for name in SERVICES[step * share : (step + 1) * share]:
        cluster.create(microservice(home, name, database=STORED))
    for name in SERVICES[max(0, step - 1) * share : step * share : 2]:
        cluster.delete("Microservice", home, name)


def service_of(live: Object) -> str:
    return str(live["metadata"]["labels"]["app.kubernetes.io/instance"])


def settled(cluster: Cluster, home: str) -> dict[str, Any]:
    """Wait until every service is Ready; return the services and their objects, and the policies of deleted ones."""
    left = {live["metadata"]["name"] for live in cluster.list("Microservice", home)}
    for name in sorted(left):
        cluster.ready(home, name)

    def policies() -> set[str]:
        return {
            live["metadata"]["labels"]["app.kubernetes.io/instance"] for live in cluster.list("NetworkPolicy", home)
        }

    until(lambda: policies() <= left, lambda: f"no policy of a deleted service is left: {policies() - left}")
    kept = {name: live for name, live in cluster.owned(home).items() if service_of(live) in left}
    services = {name: cluster.get("Microservice", home, name) for name in left}
    return {str(masked(name, home)): masked(live, home) for name, live in {**kept, **services}.items()}


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.campaign)])
def test_leader_killed(
    cluster: Cluster, proxies: list[Proxy], tmp_path: Path, capsys: pytest.CaptureFixture[str], kills: int
) -> None:
    """Leaders killed while services are created and deleted: the end state is that of a calm run."""
    calm, home = cluster.namespace(f"calm-{kills}"), cluster.namespace(f"kills-{kills}")
    with operators.running(cluster.kubeconfig, tmp_path / "calm.log", calm):
        for step in range(kills):
            churn(cluster, calm, step, kills)
        expected = settled(cluster, calm)

    with pair(cluster, home, tmp_path, proxies) as two:
        for step in range(kills):
            churn(cluster, home, step, kills)
            two.replace_leader(kill=True)
        found = settled(cluster, home)

    with capsys.disabled():
        print(f"\ntakeovers after kills: {', '.join(f'{seconds:.1f} s' for seconds in two.took)}")
    assert found == expected


def test_leader_stopped(cluster: Cluster, proxies: list[Proxy], home: str, tmp_path: Path) -> None:
    """A leader that ends cleanly gives up the Lease, and the standby leads within five seconds."""
    with pair(cluster, home, tmp_path, proxies) as two:
        for number in range(2):
            two.replace_leader(kill=False)
            cluster.create(microservice(home, f"after-{number}"))
            cluster.ready(home, f"after-{number}")


def test_leader_paused(cluster: Cluster, proxies: list[Proxy], home: str, tmp_path: Path) -> None:
    """A leader that is paused during its writes, and continues after the takeover, writes nothing more."""
    with pair(cluster, home, tmp_path, proxies) as two:
        paused = until(lambda: (n := two.leader()) is not None and [n], "there is a leader")[0]
        pid = two.members[paused].process.pid
        assert pid
        begun: list[float] = []

        def pause() -> None:
            os.kill(pid, signal.SIGSTOP)
            begun.append(time.monotonic())

        proxies[paused].cut_after(3, pause)
        for name in SERVICES[:3]:
            cluster.create(microservice(home, name, database=STORED))
        until(lambda: begun, "the leader is paused")
        two.led_by(1 - paused, begun[0], AFTER_A_KILL)
        for name in SERVICES[:3]:
            cluster.ready(home, name)
        before = list(proxies[paused].writes)

        os.kill(pid, signal.SIGCONT)

        log = two.members[paused].log
        until(lambda: "lost the lease" in log.read_text(), lambda: f"it stands by; it says:\n{log.read_text()}")
        cluster.patch("Microservice", home, SERVICES[0], {"spec": {"replicas": 3}})
        until(lambda: replicas(cluster, home, SERVICES[0]) == 3, "the new leader acts")
        assert proxies[paused].writes == before
        assert "was not sent: this operator is not the leader any more" in log.read_text()
        begun_again = time.monotonic()
        two.members[1 - paused].kill()
        two.led_by(paused, begun_again, AFTER_A_KILL)
        cluster.patch("Microservice", home, SERVICES[0], {"spec": {"replicas": 2}})
        until(lambda: replicas(cluster, home, SERVICES[0]) == 2, "the standby acts again")


def test_two_leaders(cluster: Cluster, proxies: list[Proxy], home: str, tmp_path: Path) -> None:
    """Two operators that both act create every Secret once, and reach the end state of one."""
    alone = cluster.namespace(f"{home}-alone")
    for namespace in (alone, home):
        for name in SERVICES[:4]:
            cluster.create(microservice(namespace, name, database=STORED))
    with operators.running(cluster.kubeconfig, tmp_path / "alone.log", alone):
        expected = settled(cluster, alone)
    for proxy in proxies:
        proxy.writes.clear()
    first, second = (
        operators.start(proxy.kubeconfig, tmp_path / f"{number}.log", home) for number, proxy in enumerate(proxies)
    )
    try:
        assert settled(cluster, home) == expected
    finally:
        first.kill()
        second.kill()
    written = [
        (method, path.partition("?")[0])
        for proxy in proxies
        for method, path, status in proxy.writes
        if status < 400 and f"/namespaces/{home}/secrets" in path
    ]
    # The other Secrets repeat passwords of the server's, and are corrected if the other operator created that one.
    assert not [path for method, path in written if method != "POST" and path.endswith("-server")]
    assert sum(method == "POST" for method, _ in written) == len(cluster.list("Secret", home))
