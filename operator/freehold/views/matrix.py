"""Who reaches what, declared and proven, as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from freehold.core.isolation import reachability
from freehold.core.isolation.reachability import Access
from freehold.core.model.resources import Key, Object, Service
from freehold.core.peers.ports import ServicePort, ports_of
from freehold.views.snapshot import Picture

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
    """What was tried. verified_at: when, for each service of which something was. unproven: the others, and why."""

    pairs: int
    verified_at: Mapping[Key, str]
    differences: tuple[Difference, ...]
    unproven: Mapping[Key, str]

    def found(self, source: str, target: str) -> str | None:
        """What a connection was found to be, where that is not what is declared."""
        return next((one.found for one in self.differences if (one.source, one.target) == (source, target)), None)


@dataclass(frozen=True)
class Row:
    """What one source reaches. ways: by door, None where nobody asks."""

    source: reachability.Source
    ways: Mapping[ServicePort, Access | None]

    @property
    def name(self) -> str:
        return named(self.source)


def named(source: reachability.Source) -> str:
    """`namespace/name` of a service; what is none is in parentheses."""
    if isinstance(source, Service):
        return str(source.key)
    return f"(gateway {source.gateway})" if source else STRANGER


def declared(picture: Picture) -> tuple[Row, ...]:
    """A row for each service, for each Gateway that exposes one, and for strangers."""
    doors = [door for service in picture.services.values() for door in ports_of(service)]

    def way(source: reachability.Source, door: ServicePort) -> Access | None:
        verdict = reachability.verdict(source, door, picture.services, picture.namespace_labels)
        return verdict.way if verdict else None

    services = picture.services.values()
    sources: tuple[reachability.Source, ...] = (*services, *reachability.proxies(services), None)
    return tuple(Row(one, {door: way(one, door) for door in doors}) for one in sources)


def proof(picture: Picture) -> Proof:
    """What the operator wrote into each service's status about the connections it tried."""
    told = {key: picture.status(key).get("isolation") for key in picture.services}
    proven = {key: one for key, one in told.items() if one and "verifiedAt" in one}
    found = [_difference(entry) for one in proven.values() for entry in one.get("differences", [])]
    return Proof(
        sum(one.get("pairs", 0) for one in proven.values()),
        {key: one["verifiedAt"] for key, one in proven.items()},
        tuple(dict.fromkeys(found)),
        {key: _why_not(picture.status(key)) for key in told if key not in proven},
    )


def _difference(entry: Object) -> Difference:
    source = entry["from"] if "/" in entry["from"] else STRANGER
    return Difference(source, entry["to"], entry["declared"], entry["found"])


def _why_not(status: Object) -> str:
    said = (c["message"] for c in status.get("conditions", []) if c["type"] == VERIFIED and c["status"] != "True")
    return next(said, NOT_PROVEN)


def _services(rows: tuple[Row, ...]) -> Iterator[Service]:
    return (row.source for row in rows if isinstance(row.source, Service))


def content(rows: tuple[Row, ...], proven: Proof) -> dict[str, Any]:
    """The same for programs; the words are those of the status."""

    def pair(row: Row, door: ServicePort, way: Access) -> dict[str, str]:
        shown = {"from": row.name, "to": door.address, "declared": way.value}
        other = proven.found(row.name, door.address)
        return {**shown, "found": other} if other else shown

    return {
        "pairs": [pair(row, door, way) for row in rows for door, way in row.ways.items() if way],
        "internet": {str(one.key): [out.model_dump() for out in one.spec.egress] for one in _services(rows)},
        "proof": {
            "pairs": proven.pairs,
            "verifiedAt": {str(key): at for key, at in proven.verified_at.items()},
            "differences": [one.entry() for one in proven.differences],
            "notProven": {str(key): reason for key, reason in proven.unproven.items()},
        },
    }
