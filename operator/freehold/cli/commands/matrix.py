"""Command `matrix`: which service reaches which port, declared and verified."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import click
from rich.console import RenderableType
from rich.text import Text

from freehold.api.v1alpha1.grpc import ConsumersFrom
from freehold.cli import output
from freehold.cli.connection import Connection
from freehold.cli.selection import read_selected
from freehold.core.isolation.reachability import Access
from freehold.core.model.resources import Service
from freehold.views import matrix
from freehold.views.matrix import Row, Verification
from freehold.views.snapshot import Snapshot


def run(connection: Connection, form: str | None) -> int:
    """Print the matrix. Exit code 1: a connection attempt found a verdict other than declared."""
    snapshot = asyncio.run(_read(connection))
    rows, verified = matrix.rows(snapshot), matrix.verification(snapshot)
    output.note(*snapshot.notes)
    if not connection.all_namespaces and (others := admits_other_namespaces(snapshot)):
        output.note(f"{', '.join(others)} may have consumers in other namespaces; -A shows them")
    if form in ("json", "yaml"):
        click.echo(output.document(matrix.content(rows, verified), form))
    elif snapshot.services:
        wide, now = form == "wide", datetime.now(UTC)
        output.show(*text(rows, verified, namespaces=connection.all_namespaces, wide=wide, now=now))
    return 1 if verified.differences else 0


async def _read(connection: Connection) -> Snapshot:
    async with connection.open() as (api, home):
        return await read_selected(api, home, connection)


def admits_other_namespaces(snapshot: Snapshot) -> list[str]:
    """The services that may have consumers in other namespaces."""
    rules = {each.name: each.spec.grpc.consumers.from_ for each in snapshot.services.values() if each.spec.grpc}
    return [name for name, rule in rules.items() if rule is not ConsumersFrom.SAME_NAMESPACE]


def text(
    rows: tuple[Row, ...], verified: Verification, *, namespaces: bool, wide: bool, now: datetime
) -> Iterator[RenderableType]:
    """The table, followed by the result of the verification. namespaces: whether names include their namespace."""
    ports = list(rows[0].verdicts)
    headers = [port.address if wide else port.full_name if namespaces else port.name for port in ports]
    extra = ["VERIFIED"] if wide else []

    def cells(row: Row) -> Iterator[output.Cell]:
        service = row.source if isinstance(row.source, Service) else None
        yield service.name if service and not namespaces else row.name
        for port, verdict in row.verdicts.items():
            yield output.MISMATCH if verified.found(row.name, port.address) else output.MARKS[verdict]
        yield _internet(row, wide=wide)
        if wide:
            yield verified.verified_at.get(service.key, "not yet") if service else ""

    middle = range(1, len(ports) + 2)
    yield output.table(["", *headers, "internet", *extra], ([*cells(row)] for row in rows), middle)
    yield from _verification(verified, namespaces=namespaces, now=now)


def _internet(row: Row, *, wide: bool) -> output.Cell:
    """The addresses outside the cluster in spec.egress; unknown for sources other than services."""
    if not isinstance(row.source, Service):
        return output.MARKS[None]
    blocks = [f"{rule.cidr} {rule.protocol} {','.join(map(str, rule.ports))}" for rule in row.source.spec.egress]
    unique = dict.fromkeys(block if wide else block.partition(" ")[0] for block in blocks)
    return "; ".join(unique) or output.MARKS[Access.CLOSED]


def _verification(verified: Verification, *, namespaces: bool, now: datetime) -> Iterator[RenderableType]:
    """The lines below the table. The age is the age of the oldest verification."""
    if verified.verified_at:
        age = output.age(now - min(map(datetime.fromisoformat, verified.verified_at.values())))
        matching = verified.pairs - len(verified.differences)
        result = f"{matching} of {verified.pairs} pairs as declared, verified {age} ago by connection attempts"
        yield Text(f"{result} from each service's pods", "red" if verified.differences else "")
    for each in verified.differences:
        yield Text(f"✗ {each.source} → {each.target}: declared {each.declared}, found {each.found}", "bold red")
    by_reason: dict[str, list[str]] = {}
    for key, reason in verified.unverified.items():
        by_reason.setdefault(reason, []).append(str(key) if namespaces else key.name)
    for reason, names in by_reason.items():
        yield f"not verified yet: {', '.join(names)}: {reason}"
