"""Command `graph`: services with their databases, providers and latency budgets, as a tree or a drawing language."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping

import click
from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from freehold.cli import output
from freehold.cli.connection import Connection
from freehold.cli.selection import read_selected
from freehold.core.isolation.reachability import Access
from freehold.core.latency import call_graph
from freehold.core.model.resources import Key, Service
from freehold.core.objects import names
from freehold.core.peers import consent
from freehold.kube.client import Api
from freehold.views import graph, snapshot
from freehold.views.errors import Failure
from freehold.views.graph import Edge
from freehold.views.snapshot import Snapshot


def run(connection: Connection, form: str) -> int:
    """Print the graph. Providers in other namespaces are read as far as permitted."""
    selected, known, unread = asyncio.run(_read(connection))
    output.note(*selected.notes)
    services = list(selected.services.values())
    edges = [edge for service in services for edge in graph.edges(service, known, unread)]
    paths = graph.longest_paths(services, known)
    if form == "tree":
        output.show(*tree(services, edges, paths, namespaces=connection.all_namespaces))
    elif form in ("json", "yaml"):
        click.echo(output.document(graph.content(services, edges, paths), form))
    else:
        output.plain(*(dot if form == "dot" else mermaid)(services, edges))
    return 0


async def _read(connection: Connection) -> tuple[Snapshot, Snapshot, frozenset[str]]:
    """The selected services, the same with their providers, and the namespaces that could not be read."""
    async with connection.open() as (api, home):
        selected = await read_selected(api, home, connection)
        known, unread = selected, frozenset[str]()
        if not connection.all_namespaces:
            known, unread = await _with_providers(api, selected, home)
        return selected, known, unread


async def _with_providers(api: Api, selected: Snapshot, home: str) -> tuple[Snapshot, frozenset[str]]:
    named = {
        consent.provider_key(service, consumed).namespace
        for service in selected.services.values()
        for consumed in service.spec.consumes
    }
    known, unread = selected, set()
    for namespace in sorted(named - {home}):
        try:
            known |= await snapshot.read(api, namespace)
        except Failure:
            unread.add(namespace)
    return known, frozenset(unread)


def tree(
    services: Iterable[Service], edges: Iterable[Edge], paths: Mapping[Key, call_graph.Path], *, namespaces: bool
) -> Iterator[RenderableType]:
    """A tree for each service: database, then providers. namespaces: whether all names include their namespace."""
    listed = list(edges)
    for service in services:
        details = [*filter(None, [service.spec.latency_budget]), *_hops(paths[service.key])]
        name = str(service.key) if namespaces else service.name
        root = Tree(f"{name} ({', '.join(details)})" if details else name, highlight=False)
        if database := service.spec.database:
            root.add(f"database {names.database(service.name)} ({database.engine} {database.version})")
        for edge in (edge for edge in listed if edge.consumer == service.key):
            near = edge.provider.namespace == service.namespace and not namespaces
            root.add(_branch(edge, edge.provider.name if near else str(edge.provider)))
        yield root


def _hops(path: call_graph.Path) -> Iterator[str]:
    """The longest path, if longer than a single call, which is a branch of the tree."""
    if len(path) > 2:
        yield f"{len(path) - 1} hops: {call_graph.describe(path)}"


def _branch(edge: Edge, provider: str) -> Text:
    if edge.verdict is Access.OPEN:
        return Text(f"consumes {provider}" + (f" in {edge.budget}" if edge.budget else ""))
    mark, style = ("✗", "red") if edge.verdict is Access.CLOSED else ("?", "yellow")
    return Text(f"{mark} consumes {provider}: {edge.refusal}", style)


def dot(services: Iterable[Service], edges: Iterable[Edge]) -> Iterator[str]:
    """The graph for Graphviz."""
    yield "digraph freehold {\n  rankdir=LR\n  node [shape=box]"
    for service in services:
        yield f'  "{service.key}"'
        if service.spec.database:
            yield f'  "{_database(service)}" [shape=cylinder]'
            yield f'  "{service.key}" -> "{_database(service)}" [arrowhead=none]'
    for edge in edges:
        budget = f' [label="{edge.budget}"]' if edge.budget else ""
        attributes = budget if edge.verdict is Access.OPEN else f' [style=dashed, color=red, label="{_quoted(edge)}"]'
        yield f'  "{edge.consumer}" -> "{edge.provider}"{attributes}'
    yield "}"


def mermaid(services: Iterable[Service], edges: Iterable[Edge]) -> Iterator[str]:
    """The graph for Mermaid, dotted where refused. Nodes are numbered, because names may contain arrows."""
    listed, calls = list(services), list(edges)
    keys = dict.fromkeys([*(service.key for service in listed), *(edge.provider for edge in calls)])
    node = {key: f"s{number}" for number, key in enumerate(keys)}
    yield "flowchart LR"
    yield from (f'  {name}["{key}"]' for key, name in node.items())
    for service in listed:
        if service.spec.database:
            yield f'  {node[service.key]} --- {node[service.key]}d[("{_database(service)}")]'
    for edge in calls:
        budget = f"-- {edge.budget} -->" if edge.budget else "-->"
        arrow = budget if edge.verdict is Access.OPEN else f'-. "{_quoted(edge)}" .->'
        yield f"  {node[edge.consumer]} {arrow} {node[edge.provider]}"


def _database(service: Service) -> str:
    return f"{service.namespace}/{names.database(service.name)}"


def _quoted(edge: Edge) -> str:
    """The refusal for a text in double quotes, in which both languages accept no other double quotes."""
    return edge.refusal.replace('"', "'")
