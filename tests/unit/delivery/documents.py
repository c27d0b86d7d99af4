"""The documentation's files, and the YAML in them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^( *)```yaml\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def resources() -> Iterator[tuple[str, Any]]:
    """Yield each Microservice in a YAML block, whole or in part, with the path of the file."""
    for file in FILES:
        for block in BLOCK.finditer(file.read_text()):
            for body in yaml.safe_load_all(textwrap.dedent(block[2])):
                if isinstance(body, dict) and "spec" in body and body.get("kind", "Microservice") == "Microservice":
                    yield str(file.relative_to(ROOT)), body


def unknown(value: Any, schema: dict[str, Any], path: str) -> Iterator[str]:
    """Yield the path of each field that the schema does not have."""
    if isinstance(value, list):
        for item in value:
            yield from unknown(item, schema.get("items", {}), f"{path}[]")
    elif isinstance(value, dict) and "properties" in schema:
        for key, inner in value.items():
            if key in schema["properties"]:
                yield from unknown(inner, schema["properties"][key], f"{path}.{key}")
            else:
                yield f"{path}.{key}"
