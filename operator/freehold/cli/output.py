"""How things are shown: tables and marks on a terminal, plain text into a pipe, documents for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import yaml
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from freehold.core.isolation.reachability import Access

MARKS = {
    Access.OPEN: Text("✓", "green"),
    Access.CLOSED: Text("·", "dim"),
    Access.UNKNOWN: Text("?", "yellow"),
    None: Text("–", "dim"),
}
"""None: nobody asks."""
DIFFERS = Text("✗", "bold red")
Cell = str | Text


def out(*shown: RenderableType) -> None:
    """Print to standard output; coloured on a terminal alone, and not with NO_COLOR (no-color.org)."""
    console = Console(highlight=False, markup=False, emoji=False)
    width, endless = console.width, console.options.update(width=10_000)
    for one in shown:
        # A table is never cut, nor is anything in a pipe: what does not fit is wrapped by the terminal.
        whole = isinstance(one, Table) or not console.is_terminal
        console.width = max(width, Measurement.get(console, endless, one).maximum if whole else 0)
        console.print(one, soft_wrap=isinstance(one, str | Text))


def table(headers: Sequence[str], rows: Iterable[Sequence[Cell]], centred: Iterable[int] = ()) -> Table:
    """As kubectl shows one: no lines, three spaces between columns."""
    made, middle = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style="bold"), set(centred)
    made.show_header = bool(headers)
    for number, header in enumerate(headers):
        made.add_column(header, justify="center" if number in middle else "left", no_wrap=True)
    for row in rows:
        made.add_row(*row)
    return made


class _Dumper(yaml.SafeDumper):
    """Quotes what YAML 1.2 takes for a number and 1.1 does not, such as the digest 12e45678: kubectl reads it."""


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def document(content: Any, form: str) -> str:
    """JSON or YAML."""
    if form == "json":
        return json.dumps(content, indent=2, ensure_ascii=False)
    text: str = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text.rstrip()


def age(span: timedelta) -> str:
    """A length of time in one unit, as a person would say it."""
    seconds = int(span.total_seconds())
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{max(seconds, 0)} s"
