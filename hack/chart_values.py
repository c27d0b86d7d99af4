"""Reads a chart's values.yaml with its comments, for the table of the README and the JSON schema that Helm validates.

A value is documented by the comment directly above: `# -- ` starts the description, further comment lines continue the
text, and a line `# @schema {…}` adds JSON Schema keywords that a default cannot express (enumeration, pattern, bounds).
A mapping without a description is a section: its values are documented instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

DESCRIBES = "# -- "
CONSTRAINS = "# @schema "
TYPES = {"bool": "boolean", "int": "integer", "float": "number", "str": "string", "seq": "array", "map": "object"}
DRAFT = "http://json-schema.org/draft-07/schema#"
"""The draft that both Helm 3 and Helm 4 support."""

Schema = dict[str, Any]


class ValuesError(Exception):
    """A values.yaml has a value without documentation; the message has the place and the fix."""


@dataclass(frozen=True)
class Value:
    """One value. path: keys from the root. default: plain data. inner: the values of a section."""

    path: tuple[str, ...]
    default: Any
    kind: str
    description: str
    constraints: Schema
    inner: list[Value] = field(default_factory=list)

    @property
    def section(self) -> bool:
        return bool(self.inner)


def read(file: Path) -> list[Value]:
    """Return the values of a file in order; raise ValuesError for a value without a description."""
    text = file.read_text()
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise ValuesError(f"{file}: not a mapping of values")
    return list(_mapping(root, (), text.splitlines(), file))


def _mapping(node: yaml.MappingNode, path: tuple[str, ...], lines: list[str], file: Path) -> Iterator[Value]:
    for key, held in node.value:
        where = (*path, key.value)
        description, constraints = _comment(lines, key.start_mark.line)
        default = yaml.safe_load(yaml.serialize(held, Dumper=yaml.SafeDumper))
        inner: list[Value] = []
        if not description and isinstance(held, yaml.MappingNode) and held.value:
            inner = list(_mapping(held, where, lines, file))
        elif not description:
            place = f"{file}:{key.start_mark.line + 1}: {'.'.join(where)} has no description"
            raise ValuesError(f"{place}; write '{DESCRIBES}what it does' in the line above it")
        yield Value(where, default, TYPES[held.tag.rpartition(":")[2]], description, constraints, inner)


def _comment(lines: list[str], key: int) -> tuple[str, Schema]:
    """Return the description and the constraints in the comment directly above a key."""
    start = key
    while start and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    description: list[str] = []
    constraints: Schema = {}
    for line in (line.strip() for line in lines[start:key]):
        if line.startswith(CONSTRAINS):
            constraints |= yaml.safe_load(line.removeprefix(CONSTRAINS))
        elif line.startswith(DESCRIBES):
            description = [line.removeprefix(DESCRIBES)]
        elif description:
            description.append(line.removeprefix("#").strip())
    return " ".join(description), constraints


def schema(values: list[Value], title: str) -> Schema:
    """Return the JSON Schema of a chart's values; `global` is allowed for charts that depend on this one."""
    shared = {"description": "Values shared with the chart that depends on this one.", "type": "object"}
    return {"$schema": DRAFT, "title": title, **_object(values, {"global": shared})}


def _object(values: list[Value], more: Schema) -> Schema:
    properties = {value.path[-1]: _schema(value) for value in values}
    return {"type": "object", "additionalProperties": False, "properties": properties | more}


def _schema(value: Value) -> Schema:
    if value.section:
        return _object(value.inner, {})
    return {"description": value.description, "type": value.kind, "default": value.default, **value.constraints}


def table(values: list[Value]) -> str:
    """Return the values as a Markdown table: name, default and meaning."""
    rows = [f"| `{'.'.join(v.path)}` | `{_shown(v.default)}` | {_escaped(v.description)} |" for v in _flat(values)]
    return "\n".join(["| Value | Default | What it does |", "|---|---|---|", *rows])


def _flat(values: list[Value]) -> Iterator[Value]:
    for value in values:
        yield from _flat(value.inner) if value.section else [value]


def _shown(default: Any) -> str:
    return json.dumps(default) if not isinstance(default, str) or not default else default


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
