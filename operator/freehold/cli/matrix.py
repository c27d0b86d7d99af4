"""Who reaches what: declared by every service, proven by the connections that were tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from freehold.api.grpc import ConsumersFrom
from freehold.cli import show
from freehold.cli.picture import Picture
from freehold.core import reach
from freehold.core.doors import Door, doors_of
from freehold.core.model import Key, Object, Service
from freehold.core.reach import Way

STRANGER = "(stranger)"
VERIFIED = "IsolationVerified"
NOT_PROVEN = "no connection was tried yet"


@dataclass(frozen=True)
class Difference:
    """A connection found to be other than declared. source: `namespace/name` or a stranger. target: host:port."""

    source: str
    target: str
    declared: str
    found: str

    def entry(self) -> Object:
        """As the status has it."""
        return {"from": self.source, "to": self.target, "declared": self.declared, "found": self.found}


@dataclass(frozen=True)
class Proof:
    """What was tried. proven_at: when, for each service of which something was. unproven: the others, and why."""

    pairs: int
    proven_at: Mapping[Key, str]
    differences: tuple[Difference, ...]
    unproven: Mapping[Key, str]

    def found(self, source: str, target: str) -> str | None:
        """What a connection was found to be, where that is not what is declared."""
        return next((one.found for one in self.differences if (one.source, one.target) == (source, target)), None)


@dataclass(frozen=True)
class Row:
    """What one source reaches. ways: by door, None where nobody asks."""

    source: reach.Source
    ways: Mapping[Door, Way | None]

    @property
    def name(self) -> str:
        return named(self.source)


def named(source: reach.Source) -> str:
    """`namespace/name` of a service; what is none is in parentheses."""
    if isinstance(source, Service):
        return str(source.key)
    return f"(gateway {source.gateway})" if source else STRANGER


def declared(picture: Picture) -> tuple[Row, ...]:
    """A row for each service, for each Gateway that exposes one, and for strangers."""
    doors = [door for service in picture.services.values() for door in doors_of(service)]

    def way(source: reach.Source, door: Door) -> Way | None:
        verdict = reach.verdict(source, door, picture.services, picture.namespace_labels)
        return verdict.way if verdict else None

    services = picture.services.values()
    sources: tuple[reach.Source, ...] = (*services, *reach.proxies(services), None)
    return tuple(Row(one, {door: way(one, door) for door in doors}) for one in sources)


def proof(picture: Picture) -> Proof:
    """What the operator wrote into each service's status about the connections it tried."""
    told = {key: picture.status(key).get("isolation") for key in picture.services}
    proven = {key: one for key, one in told.items() if one and "provenAt" in one}
    found = [_difference(entry) for one in proven.values() for entry in one.get("differences", [])]
    return Proof(
        sum(one.get("pairs", 0) for one in proven.values()),
        {key: one["provenAt"] for key, one in proven.items()},
        tuple(dict.fromkeys(found)),
        {key: _why_not(picture.status(key)) for key in told if key not in proven},
    )


def admits_others(picture: Picture) -> list[str]:
    """The services that consent to consumers from other namespaces; who those are, a look at one namespace misses."""
    rules = {one.name: one.spec.grpc.consumers.from_ for one in picture.services.values() if one.spec.grpc}
    return [name for name, rule in rules.items() if rule is not ConsumersFrom.SAME_NAMESPACE]


def _difference(entry: Object) -> Difference:
    source = entry["from"] if "/" in entry["from"] else STRANGER
    return Difference(source, entry["to"], entry["declared"], entry["found"])


def _why_not(status: Object) -> str:
    said = (c["message"] for c in status.get("conditions", []) if c["type"] == VERIFIED and c["status"] != "True")
    return next(said, NOT_PROVEN)


def text(rows: tuple[Row, ...], proven: Proof, *, across: bool, wide: bool, now: datetime) -> Iterator[RenderableType]:
    """The table, and below it what was proven. across: several namespaces, so that names carry theirs."""
    doors = list(rows[0].ways)
    headers = [door.address if wide else door.full_name if across else door.name for door in doors]
    extra = ["PROVEN"] if wide else []

    def cells(row: Row) -> Iterator[show.Cell]:
        yield row.source.name if isinstance(row.source, Service) and not across else row.name
        for door, way in row.ways.items():
            yield show.DIFFERS if proven.found(row.name, door.address) else show.MARKS[way]
        yield _internet(row, wide=wide)
        if wide:
            yield proven.proven_at.get(row.source.key, "not yet") if isinstance(row.source, Service) else ""

    middle = range(1, len(doors) + 2)
    yield show.table(["", *headers, "internet", *extra], ([*cells(row)] for row in rows), middle)
    yield from _below(proven, across=across, now=now)


def _internet(row: Row, *, wide: bool) -> show.Cell:
    """What a service may reach outside the cluster. What others may is not Freehold's to say."""
    if not isinstance(row.source, Service):
        return show.MARKS[None]
    blocks = [f"{one.cidr} {one.protocol} {','.join(map(str, one.ports))}" for one in row.source.spec.egress]
    named = dict.fromkeys(block if wide else block.partition(" ")[0] for block in blocks)
    return "; ".join(named) or show.MARKS[Way.CLOSED]


def _below(proven: Proof, *, across: bool, now: datetime) -> Iterator[RenderableType]:
    if proven.proven_at:
        ago = show.age(now - min(map(datetime.fromisoformat, proven.proven_at.values())))
        as_declared = proven.pairs - len(proven.differences)
        said = f"{as_declared} of {proven.pairs} pairs as declared, proven {ago} ago by connection attempts"
        yield Text(f"{said} from where each service stands", "red" if proven.differences else "")
    for one in proven.differences:
        yield Text(f"✗ {one.source} → {one.target} is declared {one.declared} and was found {one.found}", "bold red")
    reasons: dict[str, list[str]] = {}
    for key, reason in proven.unproven.items():
        reasons.setdefault(reason, []).append(str(key) if across else key.name)
    for reason, names in reasons.items():
        yield f"not proven yet for {', '.join(names)}: {reason}"


def _services(rows: tuple[Row, ...]) -> Iterator[Service]:
    return (row.source for row in rows if isinstance(row.source, Service))


def content(rows: tuple[Row, ...], proven: Proof) -> dict[str, Any]:
    """The same for programs; the words are those of the status."""

    def pair(row: Row, door: Door, way: Way) -> dict[str, str]:
        shown = {"from": row.name, "to": door.address, "declared": way.value}
        other = proven.found(row.name, door.address)
        return {**shown, "found": other} if other else shown

    return {
        "pairs": [pair(row, door, way) for row in rows for door, way in row.ways.items() if way],
        "internet": {str(one.key): [out.model_dump() for out in one.spec.egress] for one in _services(rows)},
        "proof": {
            "pairs": proven.pairs,
            "provenAt": {str(key): at for key, at in proven.proven_at.items()},
            "differences": [one.entry() for one in proven.differences],
            "notProven": {str(key): reason for key, reason in proven.unproven.items()},
        },
    }
