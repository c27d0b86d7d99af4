"""Output: tables and marks on a terminal, plain text into a pipe, documents for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import click
import yaml
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from freehold.core.isolation.reachability import Access
from freehold.core.model import messages

MARKS = {
    Access.OPEN: Text("✓", "green"),
    Access.CLOSED: Text("·", "dim"),
    Access.UNKNOWN: Text("?", "yellow"),
    None: Text("–", "dim"),
}
"""The marks of the matrix; None: a service and itself."""
MISMATCH = Text("✗", "bold red")
Cell = str | Text


class Terminal(Console):
    """A console that shows text of the cluster as it is: no markup, and a visible mark for each control character."""

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, quiet=quiet)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Yield the segments of a renderable."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else messages.visible_lines(text), style, control)


def show(*parts: RenderableType) -> None:
    """Print to standard output; in colour only on a terminal and without NO_COLOR (no-color.org)."""
    console = Terminal()
    width, unlimited = console.width, console.options.update(width=10_000)
    for part in parts:
        # Tables, and all text in a pipe, are never cut: the terminal wraps long lines.
        whole = isinstance(part, Table) or not console.is_terminal
        console.width = max(width, Measurement.get(console, unlimited, part).maximum if whole else 0)
        console.print(part, soft_wrap=isinstance(part, str | Text))


def note(*notes: str) -> None:
    """Print notes to standard error."""
    for text in notes:
        click.echo(f"Note: {messages.visible_lines(text)}", err=True)


def plain(*lines: str) -> None:
    """Print lines to standard output."""
    click.echo(messages.visible_lines("\n".join(lines)))


def table(headers: Sequence[str], rows: Iterable[Sequence[Cell]], centred: Iterable[int] = ()) -> Table:
    """A table as printed by kubectl: no lines, three spaces between columns. centred: numbers of columns."""
    made, middle = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style="bold"), set(centred)
    made.show_header = bool(headers)
    for number, header in enumerate(headers):
        made.add_column(header, justify="center" if number in middle else "left", no_wrap=True)
    for row in rows:
        made.add_row(*map(_one_line, row))
    return made


def _one_line(cell: Cell) -> Cell:
    """Return a cell without line breaks, which would forge a row, and with control characters as wide as shown."""
    return messages.visible(cell) if isinstance(cell, str) else cell


class _Dumper(yaml.SafeDumper):
    """Quotes texts that are numbers in YAML 1.2 and not in 1.1, such as the digest 12e45678: kubectl reads YAML 1.2."""


def _represented(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Return a text in double quotes if it has characters that `document` escapes."""
    quoted = '"' if messages.CONTROL.search(text.replace("\n", "")) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=quoted)


_Dumper.add_representer(str, _represented)
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def document(content: Any, form: str) -> str:
    """Content as JSON or YAML, with control characters escaped. form: `json` or `yaml`."""
    if form == "json":
        return _escaped(json.dumps(content, indent=2, ensure_ascii=False))
    text: str = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return _escaped(text.rstrip())


def _escaped(document: str) -> str:
    """Return a document with escapes for the control characters in quoted texts; line breaks are the layout."""
    escape = {"\n": "\n"}
    return messages.CONTROL.sub(lambda found: escape.get(found[0]) or json.dumps(found[0])[1:-1], document)


def age(span: timedelta) -> str:
    """A duration in one unit, rounded down, such as `40 s` or `3 h`."""
    seconds = int(span.total_seconds())
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{max(seconds, 0)} s"
