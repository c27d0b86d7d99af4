"""Command `why`: the declarations, consents and network policies behind a verdict, and the fields to change."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from freehold.cli import output
from freehold.cli.connection import Connection
from freehold.core.isolation import reachability
from freehold.core.isolation.reachability import Access
from freehold.core.model.resources import Service
from freehold.core.peers.ports import ServicePort
from freehold.views import lookup, matrix, snapshot
from freehold.views.errors import Failure
from freehold.views.snapshot import Snapshot

ANSWERS = {
    Access.OPEN: Text("Open", "bold green"),
    Access.CLOSED: Text("Refused", "bold red"),
    Access.UNKNOWN: Text("Unknown", "bold yellow"),
}
MARKS = {Access.OPEN: Text("✓", "green"), Access.CLOSED: Text("✗", "red"), Access.UNKNOWN: Text("?", "yellow")}


def run(connection: Connection, source: str, target: str) -> int:
    """Print the explanation. Exit code 1: refused. Raises Failure if the verdict is unknown."""
    seen, home = asyncio.run(_read(connection, source, target))
    output.note(*seen.notes)
    caller, port = lookup.find_source(source, home, seen), lookup.find_port(target, home, seen)
    verdict = reachability.verdict(caller, port, seen.services, seen.namespace_labels)
    found = matrix.verification(seen).found(matrix.source_name(caller), port.address)
    output.show(*text(caller, port, verdict, found))
    if verdict and verdict.way is Access.UNKNOWN:
        raise Failure("the verdict is unknown, because of the lines marked ?; they name the missing information")
    return 1 if verdict and verdict.way is Access.CLOSED else 0


async def _read(connection: Connection, source: str, target: str) -> tuple[Snapshot, str]:
    """The namespaces of source and target, and the namespace of bare names."""
    only_target = lookup.is_unmanaged(source) or lookup.is_gateway(source)
    async with connection.open() as (api, home):
        named = [target] if only_target else [source, target]
        return await snapshot.read_all(api, (lookup.namespace_of(name, home) for name in named)), home


def text(
    source: reachability.Source, port: ServicePort, verdict: reachability.Verdict | None, found: str | None = None
) -> Iterator[RenderableType]:
    """The verdict, its grounds, and the changes that open a refused connection.

    found: the verdict of a connection attempt, if other than declared.
    """
    caller = source.key if isinstance(source, Service) else source or lookup.UNMANAGED
    pair = f"{caller} → {port.address}"
    if verdict is None:
        yield f"Not applicable  {pair}: a service does not consume itself"
        return
    yield Text.assemble(ANSWERS[verdict.way], f"  {pair}")
    for ground in verdict.grounds:
        yield Text.assemble("  ", MARKS[ground.way], f" {ground.about:<9} {ground.said}")
    if found:
        cause = "the cluster does not enforce these policies; check its network plugin"
        yield Text(f"  ✗ verified  a connection attempt found {found}; {cause}", "bold red")
    yield from verdict.remedies
