"""The call graph as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from freehold.core.isolation import reachability
from freehold.core.isolation.reachability import Access
from freehold.core.latency import call_graph
from freehold.core.model.resources import Key, Object, Service
from freehold.core.objects import names
from freehold.core.peers import consent
from freehold.core.peers.ports import Part, ports_of
from freehold.views.snapshot import Snapshot


@dataclass(frozen=True)
class Edge:
    """A service and a provider it consumes.

    refusal: the reason of a verdict other than Open, else empty. budget: the latency budget of a call, else empty.
    """

    consumer: Key
    provider: Key
    verdict: Access
    refusal: str = ""
    budget: str = ""


def edges(service: Service, snapshot: Snapshot, unread: frozenset[str]) -> Iterator[Edge]:
    """The edges from a service to its providers. unread: the namespaces that could not be read."""
    for consumed in service.spec.consumes:
        key = consent.provider_key(service, consumed)
        provider = snapshot.services.get(key)
        if provider is None and key.namespace in unread:
            yield Edge(service.key, key, Access.UNKNOWN, f"no right to read namespace {key.namespace}")
        elif provider is None:
            yield Edge(service.key, key, Access.CLOSED, "does not exist")
        else:
            yield _edge(service, provider, consumed.latency_budget, snapshot)


def _edge(service: Service, provider: Service, own_budget: str | None, snapshot: Snapshot) -> Edge:
    """The edge to an existing provider. own_budget: the consumer's latency budget for the calls."""
    endpoint = next((port for port in ports_of(provider) if port.part is Part.ENDPOINT), None)
    if endpoint is None:
        return Edge(service.key, provider.key, Access.CLOSED, "declares no spec.grpc")
    verdict = reachability.verdict(service, endpoint, snapshot.services, snapshot.namespace_labels)
    for ground in verdict.grounds if verdict else ():
        if ground.way is not Access.OPEN:
            return Edge(service.key, provider.key, ground.way, ground.said)
    budget = own_budget or provider.spec.latency_budget or ""
    return Edge(service.key, provider.key, Access.OPEN, budget=budget)


def longest_paths(services: Iterable[Service], snapshot: Snapshot) -> dict[Key, call_graph.Path]:
    """The longest known path of calls from each service, the service first."""
    graph = {key: call_graph.node(service) for key, service in snapshot.services.items()}
    return {service.key: call_graph.longest_from(service.key, graph) for service in services}


def content(services: Iterable[Service], edges: Iterable[Edge], paths: Mapping[Key, call_graph.Path]) -> Object:
    """The graph as a document. paths: the longest path of calls from each service, the service first."""
    return {
        "services": [
            {
                "service": str(service.key),
                "database": names.database(service.name) if service.spec.database else None,
                "latencyBudget": service.spec.latency_budget,
                "longestPath": [str(key) for key in paths[service.key]],
            }
            for service in services
        ],
        "calls": [
            {
                "from": str(edge.consumer),
                "to": str(edge.provider),
                "verdict": edge.verdict.value,
                "refusal": edge.refusal or None,
                "latencyBudget": edge.budget or None,
            }
            for edge in edges
        ],
    }
