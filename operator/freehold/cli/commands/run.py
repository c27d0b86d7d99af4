"""What the commands do: look at the cluster, decide, show. Each returns the exit code."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click

from freehold.cli import output
from freehold.cli.commands import client as stubs
from freehold.cli.commands import contract as told_of
from freehold.cli.commands import graph as edged
from freehold.cli.commands import matrix as paired
from freehold.cli.commands import status as told
from freehold.cli.commands import why as asked
from freehold.cli.connection import Place
from freehold.core.isolation import reachability
from freehold.core.isolation.reachability import Access
from freehold.core.model.resources import Key, Object, Service
from freehold.core.peers import consent
from freehold.kube.client import Api
from freehold.kube.kinds import MICROSERVICE
from freehold.kube.watch import Watch
from freehold.views import graph as graph_view
from freehold.views import matrix as matrix_view
from freehold.views import snapshot as seen
from freehold.views.errors import Failure
from freehold.views.snapshot import Picture


def matrix(place: Place, form: str | None) -> int:
    """1: a connection was found to be other than declared."""

    async def look() -> Picture:
        async with place.open() as (api, home):
            return await _look(api, home, place)

    picture = asyncio.run(look())
    rows, proven = matrix_view.declared(picture), matrix_view.proof(picture)
    others = [] if place.everywhere else paired.admits_others(picture)
    missed = f"{', '.join(others)} may have consumers in other namespaces; -A shows them"
    _note([*picture.notes, *([missed] if others else [])])
    if form in ("json", "yaml"):
        click.echo(output.document(matrix_view.content(rows, proven), form))
    elif picture.services:
        wide = form == "wide"
        output.out(*paired.text(rows, proven, across=place.everywhere, wide=wide, now=datetime.now(UTC)))
    return 1 if proven.differences else 0


def why(place: Place, source: str, target: str) -> int:
    """1: it is refused."""

    async def look() -> tuple[Picture, str]:
        async with place.open() as (api, home):
            named = [target] if asked.is_stranger(source) or asked.is_gateway(source) else [source, target]
            return await seen.read_all(api, (asked.namespace(one, home) for one in named)), home

    picture, home = asyncio.run(look())
    _note(picture.notes)
    caller, door = asked.source(source, home, picture), asked.door(target, home, picture)
    verdict = reachability.verdict(caller, door, picture.services, picture.namespace_labels)
    found = matrix_view.proof(picture).found(matrix_view.named(caller), door.address)
    output.out(*asked.text(caller, door, verdict, found))
    if verdict and verdict.way is Access.UNKNOWN:
        raise Failure("it cannot be judged, for what is marked ?")
    return 1 if verdict and verdict.way is Access.CLOSED else 0


def graph(place: Place, form: str) -> int:
    """Providers in other namespaces are looked up there, as far as one may."""

    async def look() -> tuple[Picture, Picture, frozenset[str]]:
        async with place.open() as (api, home):
            picture = await _look(api, home, place)
            return picture, *(await _elsewhere(api, picture, set() if place.everywhere else {home}))

    picture, known, unread = asyncio.run(look())
    _note(picture.notes)
    services = list(picture.services.values())
    edges = [edge for service in services for edge in graph_view.edges(service, known, unread)]
    ways = graph_view.longest(services, known)
    if form == "tree":
        output.out(*edged.tree(services, edges, ways, across=place.everywhere))
    elif form in ("json", "yaml"):
        click.echo(output.document(graph_view.content(services, edges, ways), form))
    else:
        click.echo("\n".join((edged.dot if form == "dot" else edged.mermaid)(services, edges)))
    return 0


def status(place: Place, name: str | None, form: str | None, *, watch: bool) -> int:
    """1: one of them is not well."""

    async def look() -> dict[Key, Object]:
        async with place.open() as (api, home):
            listed = dict((await _look(api, home, place)).live)
            return {key: listed[key] for key in [seen.find(name, home, listed)]} if name else listed

    listed = asyncio.run(look())
    if form:
        click.echo(output.document(told.content(listed), form))
    elif listed:
        output.out(*told.text(listed, across=place.everywhere))
    if watch:
        with suppress(KeyboardInterrupt):
            asyncio.run(_follow(place, listed, name))
    return 0 if all(map(told.well, listed.values())) else 1


def contract(place: Place, name: str, form: str | None) -> int:
    """What a service offers."""
    service, picture, served, _ = asyncio.run(_offers(place, name, waits=False))
    called = told_of.callers(service, picture, served.contract)
    if form == "binpb":
        click.echo(served.contract.raw, nl=False)
        return 0
    _note(picture.notes)
    if form:
        click.echo(output.document(told_of.content(service, served, called), form))
    else:
        output.out(*told_of.offered(service, served, called))
    return 0


def contract_diff(place: Place, name: str, against: Path | None, form: str | None) -> int:
    """1: it breaks a consumer."""
    service, picture, served, other = asyncio.run(_offers(place, name, waits=against is None))
    if against:
        other = told_of.parsed(against.read_bytes(), str(against))
    _note(picture.notes)
    called = told_of.callers(service, picture, served.contract)
    found = told_of.differences(served.contract, other.contract, called) if other else ()
    if form:
        click.echo(output.document(told_of.difference_content(service, served, other, found), form))
    else:
        output.out(*told_of.text(service, served, other, found))
    return 1 if any(one.breaks for one in found) else 0


def client(place: Place, name: str, language: str, out: Path, *, force: bool) -> int:
    """Stubs, written."""
    service, _, served, _ = asyncio.run(_offers(place, name, waits=False))
    written = stubs.generate(served.contract, language, out, force=force)
    click.echo(f"{service.key} as {served.source} offers it:")
    for file in written:
        click.echo(f"  {file}")
    return 0


async def _offers(
    place: Place, name: str, *, waits: bool
) -> tuple[Service, Picture, told_of.Offer, told_of.Offer | None]:
    """A service, all its neighbours, what it offers and, with `waits`, what the image would that waits."""
    async with place.open() as (api, home):
        picture = await _everywhere(api, asked.namespace(name, home))
        service = picture.services[seen.find(name, home, picture.services)]
        served = await told_of.serving(api, service, picture)
        return service, picture, served, await told_of.waiting(api, service, served, picture) if waits else None


async def _everywhere(api: Api, namespace: str) -> Picture:
    """All namespaces, or as far as one may look: one of them, and a note. Raises Failure."""
    try:
        return await seen.read(api, None)
    except Failure:
        missed = f"no right to look into all namespaces: consumers outside {namespace} are not seen"
        return await seen.read(api, namespace) | Picture(notes=(missed,))


async def _look(api: Api, home: str, place: Place) -> Picture:
    """The namespace or namespaces that are meant. Raises Failure for one that does not exist."""
    picture = await seen.read(api, None if place.everywhere else home)
    if not picture.live:
        if not place.everywhere and not picture.notes and home not in picture.namespace_labels:
            raise Failure(f"there is no namespace {home}")
        where = "in any namespace" if place.everywhere else f"in namespace {home}; -A looks in all namespaces"
        _note([f"no Microservice {where}"])
    return picture


async def _elsewhere(api: Api, picture: Picture, read: set[str]) -> tuple[Picture, frozenset[str]]:
    """With the namespaces of the services that are consumed, and those of them that may not be looked into."""
    named = {
        consent.provider_key(service, consumed).namespace
        for service in picture.services.values()
        for consumed in service.spec.consumes
    }
    unread = set()
    for namespace in sorted(named - read) if read else ():
        try:
            picture |= await seen.read(api, namespace)
        except Failure:
            unread.add(namespace)
    return picture, frozenset(unread)


async def _follow(place: Place, listed: dict[Key, Object], name: str | None) -> None:
    """Show a service again whenever there is something else to show of it."""
    shown = {key: told.lines(live) for key, live in listed.items()}

    def put(live: Object) -> None:
        key = Key(live["metadata"]["namespace"], live["metadata"]["name"])
        if (name is None or key in listed) and shown.get(key) != told.lines(live):
            shown[key] = told.lines(live)
            output.out(*told.text({key: live}, across=place.everywhere, head=False))

    def drop(live: Object) -> None:
        key = Key(live["metadata"]["namespace"], live["metadata"]["name"])
        if shown.pop(key, None):
            output.out(f"{key} is gone")

    async with place.open() as (api, home):
        await Watch(api, MICROSERVICE, put, drop, None if place.everywhere else home).run()


def _note(notes: Iterable[str]) -> None:
    for note in notes:
        click.echo(f"Note: {note}", err=True)
