"""Who reaches what: declared by every service, proven by the connections that were tried."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from freehold.api.v1alpha1.grpc import ConsumersFrom
from freehold.cli import output
from freehold.core.isolation.reachability import Access
from freehold.core.model.resources import Service
from freehold.views.matrix import Proof, Row
from freehold.views.snapshot import Picture


def admits_others(picture: Picture) -> list[str]:
    """The services that consent to consumers from other namespaces; who those are, a look at one namespace misses."""
    rules = {one.name: one.spec.grpc.consumers.from_ for one in picture.services.values() if one.spec.grpc}
    return [name for name, rule in rules.items() if rule is not ConsumersFrom.SAME_NAMESPACE]


def text(rows: tuple[Row, ...], proven: Proof, *, across: bool, wide: bool, now: datetime) -> Iterator[RenderableType]:
    """The table, and below it what was proven. across: several namespaces, so that names carry theirs."""
    doors = list(rows[0].ways)
    headers = [door.address if wide else door.full_name if across else door.name for door in doors]
    extra = ["PROVEN"] if wide else []

    def cells(row: Row) -> Iterator[output.Cell]:
        yield row.source.name if isinstance(row.source, Service) and not across else row.name
        for door, way in row.ways.items():
            yield output.DIFFERS if proven.found(row.name, door.address) else output.MARKS[way]
        yield _internet(row, wide=wide)
        if wide:
            yield proven.verified_at.get(row.source.key, "not yet") if isinstance(row.source, Service) else ""

    middle = range(1, len(doors) + 2)
    yield output.table(["", *headers, "internet", *extra], ([*cells(row)] for row in rows), middle)
    yield from _below(proven, across=across, now=now)


def _internet(row: Row, *, wide: bool) -> output.Cell:
    """What a service may reach outside the cluster. What others may is not Freehold's to say."""
    if not isinstance(row.source, Service):
        return output.MARKS[None]
    blocks = [f"{one.cidr} {one.protocol} {','.join(map(str, one.ports))}" for one in row.source.spec.egress]
    named = dict.fromkeys(block if wide else block.partition(" ")[0] for block in blocks)
    return "; ".join(named) or output.MARKS[Access.CLOSED]


def _below(proven: Proof, *, across: bool, now: datetime) -> Iterator[RenderableType]:
    if proven.verified_at:
        ago = output.age(now - min(map(datetime.fromisoformat, proven.verified_at.values())))
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
