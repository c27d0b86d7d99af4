"""Edit a Microservice for a move, then follow the operator until the move ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import click
from rich.console import Console
from rich.text import Text

from freehold.cli import output
from freehold.cli.commands.move import destination as destinations
from freehold.cli.commands.move import edits
from freehold.cli.commands.move.destination import Destination
from freehold.cli.commands.move.progress import Progress
from freehold.cli.connection import Connection
from freehold.core.model.resources import Object
from freehold.kube.client import Api
from freehold.kube.errors import ClusterError
from freehold.kube.kinds import MICROSERVICE
from freehold.kube.watch import Watch
from freehold.views import lookup, move, snapshot
from freehold.views.errors import Failure
from freehold.views.status import NOT_OBSERVED

OBSERVED_SECONDS = 10.0
"""The time until a note that the operator has not observed the edit."""
INTERRUPTED = 130
"""The exit code of an interrupted command, as in shells."""


def run(
    connection: Connection,
    service: str,
    destination: Destination,
    actions: Sequence[str],
    form: str | None,
    *,
    wait: bool,
) -> int:
    """Edit the resource and follow the move. actions: at most one of edits.ACTIONS. Exit code 1: the move stopped."""
    destinations.check(destination, actions)
    again = f"kubectl freehold move {service}" + (f" -n {connection.namespace}" if connection.namespace else "")
    live, changed = asyncio.run(_edit(connection, service, destination, actions))
    stopped = False
    if not changed and not move.is_under_way(live):
        output.note(f"{move.name(live)} is at its destination already")
    elif "pause" in actions:
        output.note(f"the move pauses before its next step; {again} --resume continues the move")
    elif not live["spec"].get("database") and not move.other_namespace(live):
        output.note(f"{move.name(live)} has no database; its pods move by a rolling update")
    elif wait:
        try:
            live = asyncio.run(_follow(connection, live, Progress(again), quiet=form is not None))
            stopped = move.succeeded(live) is False
        except KeyboardInterrupt:
            output.note(f"the move continues; {again} follows the move, --pause holds it, --abort cancels it")
            return INTERRUPTED
    else:
        output.note(f"{again} follows the move")
    if form:
        click.echo(output.document(move.recorded(live), form))
    return 1 if stopped else 0


async def _edit(
    connection: Connection, service: str, destination: Destination, actions: Sequence[str]
) -> tuple[Object, bool]:
    """The resource after the edit, and whether the edit changed the resource; True without an edit. Raises Failure."""
    async with connection.open() as (api, home):
        known = (await snapshot.read(api, lookup.namespace_of(service, home))).live
        key = lookup.find_service(service, home, known)
        live = known[key]
        if not actions and not destination.options():
            if not move.is_under_way(live):
                raise Failure(f"no move of {key.name} is under way; --zone b, for example, starts a move")
            return live, True
        patch = edits.ACTIONS[actions[0]](live) if actions else destinations.patch(live, destination)
        edited = await _write(api, live, patch)
        if edits.reverted_by_manifest(live, patch):
            output.note(
                f"the applied manifest of {key.name} has another placement; applied again, it reverts this edit"
            )
        return edited, edited["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"]


async def _write(api: Api, live: Object, patch: Object) -> Object:
    """The resource after the patch; for another namespace, the counterpart is created first. Raises Failure."""
    namespace = live["metadata"]["namespace"]
    other = patch.get("spec", {}).get("placement", {}).get("namespace")
    try:
        if other:
            await _prepare(api, live, other)
        return await api.merge(MICROSERVICE, namespace, move.name(live), patch)
    except ClusterError as error:
        if error.status == 403:
            scope = f"namespaces {namespace} and {other}" if other else f"namespace {namespace}"
            raise Failure(f"no right to edit microservices in {scope}; ClusterRole edit has it") from error
        raise snapshot.to_failure(error, namespace) from error


async def _prepare(api: Api, live: Object, other: str) -> None:
    """Create the counterpart in another namespace, or check an existing one. Raises Failure."""
    home, name = live["metadata"]["namespace"], move.name(live)
    if other == home:
        raise Failure(f"{name} is in namespace {home} already; --rollback returns from another namespace")
    existing = await api.get(MICROSERVICE, other, name)
    if existing is None:
        await api.create(MICROSERVICE, other, edits.counterpart(live, other))
    elif existing["spec"].get("placement", {}).get("from") != home:
        action = f"set spec.placement.from: {home} in {other}/{name}"
        raise Failure(f"{other}/{name} exists and does not replace {home}/{name}; {action}")


async def _follow(connection: Connection, edited: Object, progress: Progress, *, quiet: bool) -> Object:
    """The resource after the move has ended or stopped. edited: the resource after the edit. Raises Failure."""
    console = output.Terminal(quiet=quiet)
    changes: asyncio.Queue[Object | None] = asyncio.Queue()
    name, namespace = move.name(edited), edited["metadata"]["namespace"]

    def put(live: Object) -> None:
        if move.name(live) == name:
            changes.put_nowait(live)

    def drop(live: Object) -> None:
        if move.name(live) == name:
            changes.put_nowait(None)

    async with connection.open() as (api, _):
        watching = asyncio.create_task(Watch(api, MICROSERVICE, put, drop, namespace).run())
        try:
            with console.status("checking") as line:  # only on a terminal
                async for live in _observed(changes, edited["metadata"]["generation"], console):
                    for text in progress.lines(live, time.monotonic()):
                        console.print(text, soft_wrap=True)
                    if move.succeeded(live) is not None:
                        return live
                    line.update(Text(progress.current(live)))
        finally:
            watching.cancel()
    raise Failure(f"{name} was deleted during the move")


async def _observed(changes: asyncio.Queue[Object | None], generation: int, console: Console) -> AsyncIterator[Object]:
    """The resource after each change, from the operator's observation of a generation until the deletion."""
    timeout: float | None = OBSERVED_SECONDS
    while True:
        try:
            live = await asyncio.wait_for(changes.get(), timeout)
        except TimeoutError:
            console.print(Text(f"  {NOT_OBSERVED}", "yellow"), soft_wrap=True)
            timeout = None
            continue
        if live is None:
            return
        if live.get("status", {}).get("observedGeneration", 0) >= generation:
            timeout = None
            yield live
