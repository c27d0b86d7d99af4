"""Command `status`: readiness and endpoints of services, and their unmet conditions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress

import click
from rich.console import RenderableType
from rich.text import Text

from freehold.cli import output
from freehold.cli.connection import Connection
from freehold.cli.selection import read_selected
from freehold.core.model.conditions import State
from freehold.core.model.resources import Key, Object
from freehold.kube.kinds import MICROSERVICE
from freehold.kube.watch import Watch
from freehold.views import lookup, status
from freehold.views.snapshot import key_of

HEADERS = ("NAME", "READY", "ENDPOINT", "DATABASE", "CONSUMES")
STYLES = {State.TRUE: "green", State.UNKNOWN: "yellow", State.FALSE: "bold red"}


def run(connection: Connection, name: str | None, form: str | None, *, watch: bool) -> int:
    """Print the status of a service or of all. Exit code 1: a service is not ready."""
    listed = asyncio.run(_read(connection, name))
    if form:
        click.echo(output.document(status.content(listed), form))
    elif listed:
        output.show(*text(listed, namespaces=connection.all_namespaces))
    if watch:
        with suppress(KeyboardInterrupt):
            asyncio.run(_watch(connection, listed, name))
    return 0 if all(map(status.is_ready, listed.values())) else 1


async def _read(connection: Connection, name: str | None) -> dict[Key, Object]:
    async with connection.open() as (api, home):
        listed = dict((await read_selected(api, home, connection)).live)
        return {key: listed[key] for key in [lookup.find_service(name, home, listed)]} if name else listed


async def _watch(connection: Connection, listed: Mapping[Key, Object], name: str | None) -> None:
    """Print a service after each change of its printed lines."""
    printed = {key: lines(live) for key, live in listed.items()}

    def put(live: Object) -> None:
        key = key_of(live)
        if (name is None or key in listed) and printed.get(key) != lines(live):
            printed[key] = lines(live)
            output.show(*text({key: live}, namespaces=connection.all_namespaces, headers=False))

    def drop(live: Object) -> None:
        if printed.pop(key_of(live), None):
            output.show(f"{key_of(live)} is deleted")

    async with connection.open() as (api, home):
        await Watch(api, MICROSERVICE, put, drop, None if connection.all_namespaces else home).run()


def text(listed: Mapping[Key, Object], *, namespaces: bool, headers: bool = True) -> Iterator[RenderableType]:
    """A table of services, then the unmet conditions of each. namespaces: whether names include their namespace."""
    rows = [_row(key, live, namespaces=namespaces) for key, live in listed.items()]
    yield output.table(HEADERS if headers else (), rows)
    for key, live in listed.items():
        unmet = list(_unmet(live))
        if unmet and headers:
            yield Text(f"\n{key if namespaces else key.name}", "bold")
        yield from unmet


def lines(live: Object) -> tuple[str, ...]:
    """The readiness and the unmet conditions as plain text, to detect changes."""
    return (status.readiness(live).value, *(line.plain for line in _unmet(live)))


def _row(key: Key, live: Object, *, namespaces: bool) -> list[output.Cell]:
    ready, recorded = status.readiness(live), live.get("status", {})
    others = (recorded.get(field) or "–" for field in ("endpoint", "database", "consumes"))
    return [str(key) if namespaces else key.name, Text(ready.value, STYLES[ready]), *others]


def _unmet(live: Object) -> Iterator[Text]:
    """Two lines for each unmet condition: type, status and reason, then the message."""
    if not status.is_observed(live):
        yield Text(f"  {status.NOT_OBSERVED}", "yellow")
    for condition in status.unmet(live):
        style = "red" if condition["status"] == State.FALSE else "yellow"
        summary = f"  {condition['type']}  {condition['status']}  {condition['reason']}"
        yield Text(f"{summary}\n    {condition['message']}", style)
