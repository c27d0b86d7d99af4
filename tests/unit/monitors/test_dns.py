"""The DNS monitor: where DNS is, and what is said when the operator resolves no name."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from freehold.controller import reporting
from freehold.core.model.dns import Dns
from freehold.core.model.resources import Object
from freehold.kube.errors import ClusterError
from freehold.kube.kinds import Kind
from freehold.monitors import dns
from freehold.monitors.dns import DnsMonitor, DnsSettings, DnsState

from tests.unit.core.isolation.test_dns import CLUSTER, OTHER, endpoints, service

SETTINGS = DnsSettings(nameservers=(CLUSTER,), name="kubernetes.default.svc.cluster.local.")


class Lists:
    """An API with one Service; error: the status of each answer instead."""

    def __init__(self, body: Object, error: int = 0) -> None:
        self.body, self.error = body, error

    async def pages(self, kind: Kind, namespace: str, labels: str) -> AsyncIterator[tuple[list[Object], str]]:
        assert namespace == "kube-system"
        if self.error:
            raise ClusterError(self.error, "refused")
        if kind.name == "EndpointSlice":
            assert labels == "kubernetes.io/service-name=kube-dns"
        yield [self.body if kind.name == "Service" else endpoints()], "1"


class Run:
    """A monitor, and the states before each change."""

    def __init__(self, lists: Lists, settings: DnsSettings = SETTINGS) -> None:
        self.before: list[DnsState] = []
        self.monitor: Any = DnsMonitor(lists, settings, self.before.append)  # type: ignore[arg-type]

    async def rounds(self, count: int = 1) -> DnsState:
        for _ in range(count):
            await self.monitor._try_names()
            await self.monitor.locate()
        state: DnsState = self.monitor.state
        return state


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether nameservers answer; the last entry counts."""
    known = [True]

    async def resolves(_: str) -> bool:
        return known[-1]

    monkeypatch.setattr(dns, "_resolves", resolves)
    return known


@pytest.mark.usefixtures("answers")
async def test_dns_followed() -> None:
    """A Service that leads to other pods is followed, and reported once."""
    lists = Lists(service())
    run = Run(lists)
    assert (await run.rounds()).dns.pod_labels == {"k8s-app": "kube-dns"}
    lists.body = service(selector={"k8s-app": "node-dns"})
    state = await run.rounds(2)
    assert (state.dns.pod_labels, state.closed, state.warning) == ({"k8s-app": "node-dns"}, "", "")
    assert len(run.before) == 2


async def test_dns_unknown_and_silent(answers: list[bool]) -> None:
    """An unknown nameserver is a warning; if it answers the operator in no two rounds, DNS is closed to services."""
    run = Run(Lists(service()), replace(SETTINGS, nameservers=(OTHER,)))
    state = await run.rounds(3)
    assert not state.closed and OTHER in state.warning
    answers.append(False)
    assert not (await run.rounds()).closed, "one round may be an accident"
    state = await run.rounds()
    assert state.closed == state.warning and OTHER in state.closed
    assert (reporting.dns_event(state).type, reporting.dns_event(state).reason) == ("Warning", "DnsClosed")
    answers.append(True)
    assert not (await run.rounds()).closed


async def test_dns_known_and_silent(answers: list[bool]) -> None:
    """DNS that is where policies open it, and silent, is a warning about the operator's own pods."""
    answers.append(False)
    state = await Run(Lists(service())).rounds(2)
    assert not state.closed
    assert state.warning.startswith(f"the operator cannot resolve names by {CLUSTER}; DNS is down, or closed to the")
    event = reporting.dns_event(DnsState(Dns()))
    assert (event.type, event.reason) == ("Normal", "DnsOpen")
    assert event.note == "DNS is open to pods: pods with k8s-app=kube-dns in namespace kube-system"


@pytest.mark.usefixtures("answers")
async def test_dns_not_readable() -> None:
    """Without the right to read Services, the settings and the nameservers' addresses count."""
    state = await Run(Lists(service(), 403)).rounds()
    assert state == DnsState(replace(Dns(), addresses=("169.254.20.10", CLUSTER)))


@pytest.mark.usefixtures("answers")
async def test_dns_keeps_last_result() -> None:
    """An API server that does not answer changes nothing."""
    lists = Lists(service(selector={"k8s-app": "node-dns"}))
    run = Run(lists)
    known = await run.rounds()
    lists.error = 500
    with pytest.raises(ClusterError):
        await run.rounds()
    assert run.monitor.state == known


async def test_dns_outside_a_cluster() -> None:
    """Without a pod's resolv.conf nothing is looked for."""
    assert await Run(Lists(service(), 500), DnsSettings()).rounds() == DnsState(Dns())


@pytest.mark.parametrize(("error", "answered"), [(socket.EAI_AGAIN, False), (socket.EAI_NONAME, True), (None, True)])
async def test_dns_answers(monkeypatch: pytest.MonkeyPatch, error: int | None, answered: bool) -> None:
    """That a name does not exist is an answer; no server within the time limit is none."""

    def resolve(*_: Any, **__: Any) -> list[Any]:
        if error is not None:
            raise socket.gaierror(error, "")
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert await dns._resolves("kubernetes.default.svc.cluster.local.") is answered
