"""Moves a service's database: edits the resource, then follows the operator, which does it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import click
from rich.console import Console
from rich.text import Text

from freehold.cli import output
from freehold.cli.commands import move_edits, move_namespace, why
from freehold.cli.commands.move_progress import Telling
from freehold.cli.commands.status import UNSEEN
from freehold.cli.connection import Place
from freehold.core.model.resources import Object
from freehold.kube.client import Api
from freehold.kube.errors import ClusterError
from freehold.kube.kinds import MICROSERVICE
from freehold.kube.watch import Watch
from freehold.views import snapshot
from freehold.views.errors import Failure

PATIENCE_SECONDS = 10.0
"""How long the operator may leave an edit unseen before that is said."""
LEFT = 130
"""The exit code of a command that was interrupted, as shells have it."""


def run(place: Place, service: str, aims: Sequence[str], mode: str | None, form: str | None, *, wait: bool) -> int:
    """The exit code. 1: it was stopped."""
    if mode and aims:
        raise Failure(f"--to and --{mode} exclude each other")
    again = f"kubectl freehold move {service}" + (f" -n {place.namespace}" if place.namespace else "")
    code = 0
    live, changed = asyncio.run(_edit(place, service, aims, mode))
    if not changed and not move_edits.under_way(live):
        _note(f"{move_edits.name(live)} stands there already")
    elif mode == "pause":
        _note(f"it takes no further step until {again} --resume")
    elif not live["spec"].get("database") and not move_namespace.namespace(live):
        _note(f"{move_edits.name(live)} has no database; its pods move as in any rollout")
    elif wait:
        try:
            live = asyncio.run(_followed(place, live, Telling(again), quiet=form is not None))
            code = move_edits.outcome(live) or 0
        except KeyboardInterrupt:
            _note(f"the move goes on; {again} follows it, --pause holds it, --abort takes it back")
            return LEFT
    else:
        _note(f"{again} follows it")
    if form:
        click.echo(output.document(move_edits.move(live), form))
    return code


async def _edit(place: Place, service: str, aims: Sequence[str], mode: str | None) -> tuple[Object, bool]:
    """The resource as it is after the edit, and whether it changed; unedited, where only a move is to be followed.

    Raises Failure.
    """
    async with place.open() as (api, home):
        seen = await snapshot.read(api, why.namespace(service, home))
        key = snapshot.find(service, home, seen.live)
        live = seen.live[key]
        if not mode and not aims:
            if not move_edits.under_way(live):
                raise Failure(f"no move of {key.name} is under way; --to zone=b begins one")
            return live, True
        patch = move_edits.EDITS[mode](live) if mode else move_edits.towards(live, aims)
        there = patch.get("spec", {}).get("placement", {}).get("namespace")
        try:
            if there:
                await move_namespace.prepare(api, live, there)
            edited = await api.merge(MICROSERVICE, key.namespace, key.name, patch)
        except ClusterError as error:
            if error.status == 403:
                where = f"namespaces {key.namespace} and {there}" if there else f"namespace {key.namespace}"
                need = f"no right to edit microservices in {where}; ClusterRole edit has it"
                raise Failure(need) from error
            raise snapshot.explained(error, key.namespace) from error
        if move_edits.overruled(live, patch):
            _note(f"the manifest {key.name} was applied from names another place; applied again, it moves there")
        return edited, edited["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"]


async def _followed(place: Place, edited: Object, telling: Telling, *, quiet: bool) -> Object:
    async with place.open() as (api, _):
        return await follow(api, edited, telling, quiet=quiet)


async def follow(api: Api, edited: Object, telling: Telling, *, quiet: bool) -> Object:
    """The resource as it is once the move is done or stopped. edited: as the edit left it. Raises Failure."""
    console = Console(highlight=False, markup=False, emoji=False, quiet=quiet)
    news: asyncio.Queue[Object | None] = asyncio.Queue()
    mine = move_edits.name(edited)
    watching = asyncio.create_task(
        Watch(
            api,
            MICROSERVICE,
            lambda live: news.put_nowait(live) if move_edits.name(live) == mine else None,
            lambda gone: news.put_nowait(None) if move_edits.name(gone) == mine else None,
            edited["metadata"]["namespace"],
        ).run()
    )
    try:
        with console.status("checking") as line:  # which is there on a terminal alone
            async for live in _seen(news, edited["metadata"]["generation"], console):
                for text in telling.lines(live, time.monotonic()):
                    console.print(text, soft_wrap=True)
                if move_edits.outcome(live) is not None:
                    return live
                line.update(telling.progress(live))
    finally:
        watching.cancel()
    raise Failure(f"{mine} is gone")


async def _seen(news: asyncio.Queue[Object | None], generation: int, console: Console) -> AsyncIterator[Object]:
    """The resource at each change that the operator made in knowledge of the edit, until it is gone."""
    patience: float | None = PATIENCE_SECONDS
    while True:
        try:
            live = await asyncio.wait_for(news.get(), patience)
        except TimeoutError:
            console.print(Text(f"  {UNSEEN}", "yellow"), soft_wrap=True)
            patience = None
            continue
        if live is None:
            return
        if live.get("status", {}).get("observedGeneration", 0) >= generation:
            patience = None
            yield live


def _note(text: str) -> None:
    click.echo(f"Note: {text}", err=True)
