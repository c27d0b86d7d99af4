"""Is it well, where is it reached, and what does it wait for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import RenderableType
from rich.text import Text

from freehold.cli import output
from freehold.core.model.conditions import NOT_BLOCKING, State, Type
from freehold.core.model.resources import Key, Object

YES, WAITING, NO = Text("yes", "green"), Text("not yet", "yellow"), Text("no", "bold red")
HEADERS = ("SERVICE", "WELL", "REACHED AT", "DATABASE", "CONSUMES")
UNSEEN = "the operator has not looked at it since it was last edited; if that lasts, see whether the operator runs"


def well(live: Object) -> bool:
    """Whether the service is ready as it is declared now."""
    return _answer(live) is YES


def text(listed: Mapping[Key, Object], *, across: bool, head: bool = True) -> Iterator[RenderableType]:
    """A table of the services, and below it each condition that is not met, in its own words."""
    rows = [_row(key, live, across=across) for key, live in listed.items()]
    yield output.table(HEADERS if head else (), rows)
    for key, live in listed.items():
        unmet = list(_unmet(live))
        if unmet and head:
            yield Text(f"\n{key if across else key.name}", "bold")
        yield from unmet


def lines(live: Object) -> tuple[str, ...]:
    """All that is shown of a service, to see whether it is the same as before."""
    return (_answer(live).plain, *(line.plain for line in _unmet(live)))


def content(listed: Mapping[Key, Object]) -> Object:
    """The same for programs."""
    return {"services": [_entry(key, live) for key, live in listed.items()]}


def _entry(key: Key, live: Object) -> Object:
    status = live.get("status", {})
    unmet = [c for c in status.get("conditions", []) if c["status"] != State.TRUE]
    return {"service": str(key), "well": well(live), "endpoint": status.get("endpoint"), "unmet": unmet}


def _row(key: Key, live: Object, *, across: bool) -> list[output.Cell]:
    status = live.get("status", {})
    words = (status.get(field) or "–" for field in ("endpoint", "database", "consumes"))
    return [str(key) if across else key.name, _answer(live), *words]


def _unmet(live: Object) -> Iterator[Text]:
    """A line for each condition that is not True; Ready only where it alone says something."""
    if not _seen(live):
        yield Text(f"  {UNSEEN}", "yellow")
    conditions = live.get("status", {}).get("conditions", [])
    unmet = [c for c in conditions if c["status"] != State.TRUE]
    alone = [c for c in unmet if c["type"] != Type.READY] or unmet
    for condition in alone:
        needs = condition["status"] == State.FALSE
        said = f"  {condition['type']}  {condition['status']}  {condition['reason']}"
        yield Text(f"{said}\n    {condition['message']}", "red" if needs else "yellow")


def _answer(live: Object) -> Text:
    """No: somebody must do something. Not yet: under way, which passes by itself."""
    conditions = {c["type"]: c["status"] for c in live.get("status", {}).get("conditions", [])}
    if not _seen(live):
        return WAITING
    if conditions.get(Type.READY) == State.TRUE:
        return YES
    others = {status for kind, status in conditions.items() if kind not in {Type.READY, *NOT_BLOCKING}}
    return WAITING if State.UNKNOWN in others and State.FALSE not in others else NO


def _seen(live: Object) -> bool:
    return bool(live.get("status", {}).get("observedGeneration", 0) >= live["metadata"]["generation"])
