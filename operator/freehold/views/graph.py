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
from freehold.views.snapshot import Picture


@dataclass(frozen=True)
class Edge:
    """A service that consumes another. refusal: why it may not, empty where it may. budget: what a call may take."""

    consumer: Key
    provider: Key
    way: Access
    refusal: str = ""
    budget: str = ""


def edges(service: Service, picture: Picture, unread: frozenset[str]) -> Iterator[Edge]:
    """The edges that start at a service. unread: namespaces of which nothing is known."""
    for consumed in service.spec.consumes:
        provider = consent.provider_key(service, consumed)
        there = picture.services.get(provider)
        budget = consumed.latency_budget or (there.spec.latency_budget if there else None) or ""
        if there is None and provider.namespace in unread:
            yield Edge(service.key, provider, Access.UNKNOWN, f"no right to look into namespace {provider.namespace}")
        elif there is None:
            yield Edge(service.key, provider, Access.CLOSED, "does not exist")
        elif endpoint := next((d for d in ports_of(there) if d.part is Part.ENDPOINT), None):
            verdict = reachability.verdict(service, endpoint, picture.services, picture.namespace_labels)
            grounds = verdict.grounds if verdict else ()
            refused = next((ground for ground in grounds if ground.way is not Access.OPEN), None)
            yield Edge(service.key, provider, *((refused.way, refused.said) if refused else (Access.OPEN, "", budget)))
        else:
            yield Edge(service.key, provider, Access.CLOSED, "declares no spec.grpc")


def longest(services: Iterable[Service], picture: Picture) -> dict[Key, call_graph.Path]:
    """The longest path of calls from each of these, as far as it is known."""
    graph = {key: call_graph.node(service) for key, service in picture.services.items()}
    return {service.key: call_graph.longest_from(service.key, graph) for service in services}


def content(services: Iterable[Service], edged: Iterable[Edge], ways: Mapping[Key, call_graph.Path]) -> Object:
    """The same for programs. longestPath: of calls, the service itself first."""
    return {
        "services": [
            {
                "service": str(service.key),
                "database": names.database(service.name) if service.spec.database else None,
                "latencyBudget": service.spec.latency_budget,
                "longestPath": [str(key) for key in ways[service.key]],
            }
            for service in services
        ],
        "calls": [
            {
                "from": str(edge.consumer),
                "to": str(edge.provider),
                "way": edge.way.value,
                "refusal": edge.refusal or None,
                "latencyBudget": edge.budget or None,
            }
            for edge in edged
        ],
    }
