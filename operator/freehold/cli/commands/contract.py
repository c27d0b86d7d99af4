"""Commands `contract show` and `contract diff`: methods with their callers, and changes with their consumers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import click
from rich.console import RenderableType
from rich.text import Text

from freehold.cli import output
from freehold.cli.connection import Connection
from freehold.core.model.resources import Key, Service
from freehold.core.protobuf.checks import Idempotency, Method
from freehold.views import contract
from freehold.views.contract import Callers, Difference, Offer, Offers

RETRY = {
    Idempotency.UNKNOWN: Text("no", "dim"),
    Idempotency.IDEMPOTENT: Text("yes"),
    Idempotency.NO_SIDE_EFFECTS: Text("yes, read-only"),
}
HEADERS = ("  METHOD", "REQUEST", "RESPONSE", "IDEMPOTENT", "CALLED BY")


def show(connection: Connection, name: str, form: str | None) -> int:
    """Print the contract of the serving image."""
    offers = asyncio.run(_read(connection, name))
    service, serving = offers.service, offers.serving
    if form == "binpb":
        click.echo(serving.raw, nl=False)
        return 0
    callers = contract.callers(service, offers.snapshot, serving)
    output.note(*offers.snapshot.notes)
    if form:
        click.echo(output.document(contract.content(service, serving, callers), form))
    else:
        output.show(*offer_text(service, serving, callers))
    return 0


def diff(connection: Connection, name: str, against: Path | None, form: str | None) -> int:
    """Print the changes of the declared image, or of a file. Exit code 1: a change breaks a consumer."""
    offers = asyncio.run(_read(connection, name, declared=against is None))
    service, serving = offers.service, offers.serving
    other = contract.parse_offer(against.read_bytes(), str(against)) if against else offers.declared
    output.note(*offers.snapshot.notes)
    callers = contract.callers(service, offers.snapshot, serving)
    found = contract.differences(serving, other, callers) if other else ()
    if form:
        click.echo(output.document(contract.differences_content(service, serving, other, found), form))
    else:
        output.show(*differences_text(service, serving, other, found))
    return 1 if any(difference.breaks for difference in found) else 0


async def _read(connection: Connection, name: str, *, declared: bool = False) -> Offers:
    async with connection.open() as (api, home):
        return await contract.read(api, home, name, declared=declared)


def offer_text(service: Service, offer: Offer, callers: Callers) -> Iterator[RenderableType]:
    """Every method with request, response, idempotency and callers."""
    yield f"{service.key} offers, as read from {offer.source}"
    for name, methods in groupby(offer.methods, lambda method: method.name.partition("/")[0]):
        yield Text(f"\n{name}", "bold")
        rows = [
            (
                f"  {method.name.partition('/')[2]}",
                *_messages(method),
                RETRY[method.idempotency],
                _callers(service, callers, method.name),
            )
            for method in methods
        ]
        yield output.table(HEADERS, rows)


def _messages(method: Method) -> tuple[str, str]:
    """The names of request and response; names of the method's own package without the package."""
    sides = ((method.client_streaming, method.request), (method.server_streaming, method.response))
    package = method.name.partition("/")[0].rpartition(".")[0] + "."
    request, response = (("stream " if stream else "") + kind.removeprefix(package) for stream, kind in sides)
    return request, response


def _callers(service: Service, callers: Callers, method: str) -> str:
    keys = [key for key, calls in callers.items() if calls is None or method in calls]
    return ", ".join(_short(service, key) for key in keys) or "–"


def differences_text(
    service: Service, serving: Offer, other: Offer | None, found: tuple[Difference, ...]
) -> Iterator[Text]:
    """Every change with the consumers it breaks, and a summary."""
    if other is None:
        action = "--against FILE compares the contract with a file"
        yield Text(f"{service.key}: {serving.source} serves and is the image in spec.image; {action}")
        return
    yield Text(f"{service.key}: {serving.source} serves, compared with {other.source}")
    for difference in found:
        yield from _difference(service, difference)
    broken = sorted({_short(service, key) for difference in found for key in difference.breaks})
    summary = f"Breaks {', '.join(broken)}" if broken else "Breaks no consumer" if found else "No changes"
    yield Text(summary, "bold red" if broken else "green")


def _difference(service: Service, difference: Difference) -> Iterator[Text]:
    change, breaks = difference.change, difference.breaks
    mark, style = ("✗", "red") if breaks else ("!", "yellow") if change.rule else ("+", "")
    rule = f"  ({change.rule})" if change.rule else ""
    yield Text(f"  {mark} {change.message}{rule}", style)
    if change.rule:
        broken = ", ".join(_short(service, key) for key in breaks) or "no declared consumer"
        yield Text(f"      breaks {broken}, through {', '.join(change.methods)}", "" if breaks else "dim")


def _short(service: Service, key: Key) -> str:
    """The name of a service, with the namespace if other than that of `service`."""
    return key.name if key.namespace == service.namespace else str(key)
