"""The matrix as data: every pair of a source and a port, the declared verdict, and the verified verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from freehold.core.isolation import reachability
from freehold.core.isolation.reachability import Access
from freehold.core.model.conditions import State, Type
from freehold.core.model.resources import Key, Object, Service
from freehold.core.peers.ports import ServicePort, ports_of
from freehold.views.lookup import UNMANAGED
from freehold.views.snapshot import Snapshot

UNMANAGED_POD = f"({UNMANAGED})"
NOT_TRIED = "no connection attempt yet"


@dataclass(frozen=True)
class Difference:
    """A connection with a verdict other than declared. source: `namespace/name` or `(unmanaged)`. target: host:port."""

    source: str
    target: str
    declared: str
    found: str

    def entry(self) -> Object:
        """The difference with the keys of status.isolation."""
        return {"from": self.source, "to": self.target, "declared": self.declared, "found": self.found}


@dataclass(frozen=True)
class Verification:
    """The result of the connection attempts.

    pairs: how many pairs were tried. verified_at: RFC 3339 times by service. unverified: reasons by service.
    """

    pairs: int
    verified_at: Mapping[Key, str]
    differences: tuple[Difference, ...]
    unverified: Mapping[Key, str]

    def found(self, source: str, target: str) -> str | None:
        """The verdict found for a pair, if other than declared."""
        same = (each.found for each in self.differences if (each.source, each.target) == (source, target))
        return next(same, None)


@dataclass(frozen=True)
class Row:
    """The ports that a source reaches. verdicts: None for a service and itself."""

    source: reachability.Source
    verdicts: Mapping[ServicePort, Access | None]

    @property
    def name(self) -> str:
        """The name of the source."""
        return source_name(self.source)


def source_name(source: reachability.Source) -> str:
    """`namespace/name` of a service; Gateway proxies and unmanaged pods in parentheses."""
    if isinstance(source, Service):
        return str(source.key)
    return f"(gateway {source.gateway})" if source else UNMANAGED_POD


def rows(snapshot: Snapshot) -> tuple[Row, ...]:
    """The rows of all services, of all Gateways that expose a service, and of unmanaged pods."""
    ports = [port for service in snapshot.services.values() for port in ports_of(service)]

    def verdict(source: reachability.Source, port: ServicePort) -> Access | None:
        found = reachability.verdict(source, port, snapshot.services, snapshot.namespace_labels)
        return found.way if found else None

    services = snapshot.services.values()
    sources: tuple[reachability.Source, ...] = (*services, *reachability.proxies(services), None)
    return tuple(Row(source, {port: verdict(source, port) for port in ports}) for source in sources)


def verification(snapshot: Snapshot) -> Verification:
    """The connection attempts recorded in status.isolation of each service."""
    recorded = {key: snapshot.status(key).get("isolation") for key in snapshot.services}
    verified = {key: isolation for key, isolation in recorded.items() if isolation and "verifiedAt" in isolation}
    found = [_difference(entry) for isolation in verified.values() for entry in isolation.get("differences", [])]
    return Verification(
        sum(isolation.get("pairs", 0) for isolation in verified.values()),
        {key: isolation["verifiedAt"] for key, isolation in verified.items()},
        tuple(dict.fromkeys(found)),
        {key: _why_unverified(snapshot.status(key)) for key in recorded if key not in verified},
    )


def _difference(entry: Object) -> Difference:
    """An entry of status.isolation.differences; a source without a namespace is an unmanaged pod."""
    source = entry["from"] if "/" in entry["from"] else UNMANAGED_POD
    return Difference(source, entry["to"], entry["declared"], entry["found"])


def _why_unverified(status: Object) -> str:
    """The message of condition IsolationVerified, if not True."""
    conditions = (each for each in status.get("conditions", []) if each["type"] == Type.ISOLATION_VERIFIED)
    return next((each["message"] for each in conditions if each["status"] != State.TRUE), NOT_TRIED)


def _services(rows: tuple[Row, ...]) -> Iterator[Service]:
    return (row.source for row in rows if isinstance(row.source, Service))


def content(rows: tuple[Row, ...], verified: Verification) -> Object:
    """The matrix as a document."""

    def pair(row: Row, port: ServicePort, verdict: Access) -> dict[str, str]:
        entry = {"from": row.name, "to": port.address, "declared": verdict.value}
        found = verified.found(row.name, port.address)
        return {**entry, "found": found} if found else entry

    return {
        "pairs": [pair(row, port, verdict) for row in rows for port, verdict in row.verdicts.items() if verdict],
        "internet": {str(each.key): [rule.model_dump() for rule in each.spec.egress] for each in _services(rows)},
        "verification": {
            "pairs": verified.pairs,
            "verifiedAt": {str(key): at for key, at in verified.verified_at.items()},
            "differences": [difference.entry() for difference in verified.differences],
            "notVerified": {str(key): reason for key, reason in verified.unverified.items()},
        },
    }
