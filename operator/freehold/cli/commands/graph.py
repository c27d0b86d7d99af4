"""Who stands on what: services, their databases, and whom they consume; how long a call may take, and leads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from freehold.core.isolation.reachability import Access
from freehold.core.latency import call_graph
from freehold.core.model.resources import Key, Service
from freehold.core.objects import names
from freehold.views.graph import Edge


def tree(
    services: Iterable[Service], edged: Iterable[Edge], ways: Mapping[Key, call_graph.Path], *, across: bool
) -> Iterator[RenderableType]:
    """A tree for each service: its database, then whom it consumes. ways: the longest path of calls from each."""
    listed = list(edged)
    for service in services:
        said = [*filter(None, [service.spec.latency_budget]), *_hops(ways[service.key])]
        name = str(service.key) if across else service.name
        root = Tree(f"{name} ({', '.join(said)})" if said else name, highlight=False)
        if database := service.spec.database:
            root.add(f"database {names.database(service.name)} ({database.engine} {database.version})")
        for edge in (edge for edge in listed if edge.consumer == service.key):
            near = edge.provider.namespace == service.namespace and not across
            root.add(_branch(edge, edge.provider.name if near else str(edge.provider)))
        yield root


def _hops(path: call_graph.Path) -> Iterator[str]:
    """Said where it is more than the calls that stand below."""
    if len(path) > 2:
        yield f"{len(path) - 1} hops: {call_graph.describe(path)}"


def _branch(edge: Edge, provider: str) -> Text:
    if edge.way is Access.OPEN:
        return Text(f"consumes {provider}" + (f" in {edge.budget}" if edge.budget else ""))
    mark, style = ("✗", "red") if edge.way is Access.CLOSED else ("?", "yellow")
    return Text(f"{mark} consumes {provider}: {edge.refusal}", style)


def dot(services: Iterable[Service], edged: Iterable[Edge]) -> Iterator[str]:
    """For Graphviz."""
    yield "digraph freehold {\n  rankdir=LR\n  node [shape=box]"
    for service in services:
        yield f'  "{service.key}"'
        if service.spec.database:
            yield f'  "{_database(service)}" [shape=cylinder]'
            yield f'  "{service.key}" -> "{_database(service)}" [arrowhead=none]'
    for edge in edged:
        within = f' [label="{edge.budget}"]' if edge.budget else ""
        marked = within if edge.way is Access.OPEN else f' [style=dashed, color=red, label="{_quoted(edge)}"]'
        yield f'  "{edge.consumer}" -> "{edge.provider}"{marked}'
    yield "}"


def mermaid(services: Iterable[Service], edged: Iterable[Edge]) -> Iterator[str]:
    """For Mermaid, as in Markdown; a dotted arrow is refused. Nodes are numbered, for names may hold arrows."""
    listed, edges = list(services), list(edged)
    keys = dict.fromkeys([*(service.key for service in listed), *(edge.provider for edge in edges)])
    node = {key: f"s{number}" for number, key in enumerate(keys)}
    yield "flowchart LR"
    yield from (f'  {name}["{key}"]' for key, name in node.items())
    for service in listed:
        if service.spec.database:
            yield f'  {node[service.key]} --- {node[service.key]}d[("{_database(service)}")]'
    for edge in edges:
        within = f"-- {edge.budget} -->" if edge.budget else "-->"
        arrow = within if edge.way is Access.OPEN else f'-. "{_quoted(edge)}" .->'
        yield f"  {node[edge.consumer]} {arrow} {node[edge.provider]}"


def _database(service: Service) -> str:
    return f"{service.namespace}/{names.database(service.name)}"


def _quoted(edge: Edge) -> str:
    """The refusal within double quotes, of which neither language takes another pair."""
    return edge.refusal.replace('"', "'")
