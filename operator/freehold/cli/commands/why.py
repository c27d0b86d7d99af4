"""Why one thing reaches another or does not: every declaration, consent and policy it hangs on, and how to open it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from freehold.core.isolation import reachability
from freehold.core.isolation.reachability import Access
from freehold.core.model.resources import Key, Service
from freehold.core.objects import names
from freehold.core.peers import gateways
from freehold.core.peers.ports import Part, ServicePort, ports_of
from freehold.views.errors import Failure
from freehold.views.snapshot import Picture, find, instead

STRANGER, GATEWAY = "stranger", "gateway "
HOST = re.compile(r"^([^.:/]+)\.([^.:/]+)\.svc(\.cluster\.local)?\.?(?=:|$)")
ANSWERS = {
    Access.OPEN: Text("Open", "bold green"),
    Access.CLOSED: Text("Refused", "bold red"),
    Access.UNKNOWN: Text("Unknown", "bold yellow"),
}
MARKS = {Access.OPEN: Text("✓", "green"), Access.CLOSED: Text("✗", "red"), Access.UNKNOWN: Text("?", "yellow")}


def namespace(name: str, home: str) -> str:
    """The namespace that a source or a target is in."""
    here, slash, _ = _plain(name).rpartition("/")
    return here if slash else home


def is_stranger(name: str) -> bool:
    """`stranger`, or `(stranger)` as the matrix shows it."""
    return name.strip("()") == STRANGER


def is_gateway(name: str) -> bool:
    """`gateway NAMESPACE/NAME`, as the matrix shows it."""
    return name.strip("()").startswith(GATEWAY)


def source(name: str, home: str, picture: Picture) -> reachability.Source:
    """The service called so, the proxies of a Gateway, or None for a stranger. Raises Failure."""
    if is_stranger(name):
        return None
    if is_gateway(name):
        here, _, own = name.strip("()").removeprefix(GATEWAY).rpartition("/")
        gateway = Key(here or home, own)
        known = (one for one in reachability.proxies(picture.services.values()) if one.gateway == gateway)
        return next(known, gateways.usual(gateway))
    return picture.services[find(name, home, picture.services)]


def door(name: str, home: str, picture: Picture) -> ServicePort:
    """What `users`, `users:8080`, `users-database`, `users-db`, each after `namespace/`, or a DNS name stands for.

    A service by its name alone is its endpoint, or its page where it has no endpoint. Raises Failure.
    """
    whole, _, port = _plain(name).partition(":")
    here, _, own = whole.rpartition("/")
    home = here or home
    owner = _owner(own, home, picture)
    key = owner or find(own, home, picture.services)
    doors = ports_of(picture.services[key])
    fitting = [d for d in doors if (d.part is Part.DATABASE or not owner) and (not port or str(d.port) == port)]
    if fitting:
        return fitting[0]
    has = ", ".join(d.name for d in doors)
    raise Failure(f"{key} has no {'database' if owner else f'port {port}'}; it has {has}")


def _plain(name: str) -> str:
    """A DNS name as `namespace/name`; anything else as it is."""
    return HOST.sub(r"\2/\1", name)


def _owner(name: str, home: str, picture: Picture) -> Key | None:
    """The service whose database is called so; a service of that very name comes first."""
    if Key(home, name) in picture.services:
        return None
    for ending in (names.database(""), "-db"):
        if name.endswith(ending):
            owner = Key(home, name.removesuffix(ending))
            if owner in picture.services:
                return owner
            raise Failure(f"there is no database {name} in namespace {home}{instead(owner, picture.services)}")
    return None


def text(
    source: reachability.Source, door: ServicePort, verdict: reachability.Verdict | None, found: str | None = None
) -> Iterator[RenderableType]:
    """The answer, what it hangs on, and how to open what is shut. found: what it is, where not as declared."""
    who = source.key if isinstance(source, Service) else source or STRANGER
    pair = f"{who} → {door.address}"
    if verdict is None:
        yield f"Not asked  {pair}: a service does not consume itself"
        return
    yield Text.assemble(ANSWERS[verdict.way], f"  {pair}")
    for ground in verdict.grounds:
        yield Text.assemble("  ", MARKS[ground.way], f" {ground.about:<9} {ground.said}")
    if found:
        said = "so the cluster does not do what these policies say; see whether its network plugin enforces them"
        yield Text(f"  ✗ proven    it was tried and found {found}, {said}", "bold red")
    yield from verdict.remedies
