"""A chart's values.yaml read with its comments: the table of its README and the JSON schema Helm checks values against.

A value is documented by the comment right above it: `# -- ` starts its description, further lines go on with it, and a
line `# @schema {…}` adds to the schema what a default cannot tell (an enumeration, a pattern, bounds), in JSON Schema's
own words. A mapping without a description is a section: its values are documented instead.
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
"""The draft that both Helm 3 and Helm 4 read."""

Schema = dict[str, Any]


class ValuesError(Exception):
    """Something in a values.yaml that cannot be documented; says where and what to write."""


@dataclass(frozen=True)
class Value:
    """One value. path: its keys from the top. default: what the chart sets, as plain data. inner: a section's own."""

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
    """The values of a file, in its order. Raises ValuesError where one is not documented."""
    text = file.read_text()
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise ValuesError(f"{file}: is not a mapping of values")
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
            said = f"{file}:{key.start_mark.line + 1}: {'.'.join(where)} has no description"
            raise ValuesError(f"{said}; write '{DESCRIBES}what it does' in the line above it")
        yield Value(where, default, TYPES[held.tag.rpartition(":")[2]], description, constraints, inner)


def _comment(lines: list[str], key: int) -> tuple[str, Schema]:
    """The description and the constraints in the comment that ends right above a key's line."""
    start = key
    while start and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    said: list[str] = []
    constraints: Schema = {}
    for line in (line.strip() for line in lines[start:key]):
        if line.startswith(CONSTRAINS):
            constraints |= yaml.safe_load(line.removeprefix(CONSTRAINS))
        elif line.startswith(DESCRIBES):
            said = [line.removeprefix(DESCRIBES)]
        elif said:
            said.append(line.removeprefix("#").strip())
    return " ".join(said), constraints


def schema(values: list[Value], title: str) -> Schema:
    """The JSON Schema of a chart's values. Helm itself adds `global` when the chart is another one's dependency."""
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
    """The values as a Markdown table: name, default and meaning."""
    rows = [f"| `{'.'.join(v.path)}` | `{_shown(v.default)}` | {_escaped(v.description)} |" for v in _flat(values)]
    return "\n".join(["| Value | Default | What it does |", "|---|---|---|", *rows])


def _flat(values: list[Value]) -> Iterator[Value]:
    for value in values:
        yield from _flat(value.inner) if value.section else [value]


def _shown(default: Any) -> str:
    return json.dumps(default) if not isinstance(default, str) or not default else default


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
