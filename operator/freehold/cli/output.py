"""Output: tables and marks on a terminal, plain text into a pipe, documents for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import click
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
"""The marks of the matrix; None: a service and itself."""
MISMATCH = Text("✗", "bold red")
Cell = str | Text


def show(*parts: RenderableType) -> None:
    """Print to standard output; in colour only on a terminal and without NO_COLOR (no-color.org)."""
    console = Console(highlight=False, markup=False, emoji=False)
    width, unlimited = console.width, console.options.update(width=10_000)
    for part in parts:
        # Tables, and all text in a pipe, are never cut: the terminal wraps long lines.
        whole = isinstance(part, Table) or not console.is_terminal
        console.width = max(width, Measurement.get(console, unlimited, part).maximum if whole else 0)
        console.print(part, soft_wrap=isinstance(part, str | Text))


def note(*notes: str) -> None:
    """Print notes to standard error."""
    for text in notes:
        click.echo(f"Note: {text}", err=True)


def table(headers: Sequence[str], rows: Iterable[Sequence[Cell]], centred: Iterable[int] = ()) -> Table:
    """A table as printed by kubectl: no lines, three spaces between columns. centred: numbers of columns."""
    made, middle = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style="bold"), set(centred)
    made.show_header = bool(headers)
    for number, header in enumerate(headers):
        made.add_column(header, justify="center" if number in middle else "left", no_wrap=True)
    for row in rows:
        made.add_row(*row)
    return made


class _Dumper(yaml.SafeDumper):
    """Quotes texts that are numbers in YAML 1.2 and not in 1.1, such as the digest 12e45678: kubectl reads YAML 1.2."""


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def document(content: Any, form: str) -> str:
    """Content as JSON or YAML. form: `json` or `yaml`."""
    if form == "json":
        return json.dumps(content, indent=2, ensure_ascii=False)
    text: str = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text.rstrip()


def age(span: timedelta) -> str:
    """A duration in one unit, rounded down, such as `40 s` or `3 h`."""
    seconds = int(span.total_seconds())
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{max(seconds, 0)} s"
