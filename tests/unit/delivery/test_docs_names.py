"""The documentation uses existing names: commands, conditions, reasons, labels, annotations and fields."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import click
import pytest
from freehold.api.crd import openapi_schema
from freehold.cli.main import freehold
from freehold.core.model.conditions import Reason, Type
from freehold.core.objects import meta
from jsonschema import Draft202012Validator

from tests.unit.delivery.documents import FILES, ROOT, resources, unknown

COMMAND = re.compile(r"(?m)^ *\$ (?:kubectl )?freehold +([^#|>)\n]+)|`kubectl freehold +([^`\n]+)`")
ANNOTATION = re.compile(r"freehold\.dev/([a-z0-9-]*[a-z0-9])")


def commands() -> Iterator[tuple[str, str]]:
    """Yield each command line of the documentation, with the path of the file."""
    for file in FILES:
        for match in COMMAND.finditer(file.read_text()):
            yield str(file.relative_to(ROOT)), (match[1] or match[2]).strip()


@pytest.mark.parametrize(("file", "line"), sorted(set(commands())))
def test_commands_exist(file: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command has the options and arguments that are given."""
    monkeypatch.chdir(tmp_path)
    words = [word for word in shlex.split(line) if word != "--help"]
    for word in ("FILE", "new.binpb"):
        (tmp_path / word).touch()
    command: click.Command = freehold
    while isinstance(command, click.Group) and words:
        command = command.commands[words.pop(0)]
    if "--help" not in line:
        command.make_context(file, words)


@pytest.mark.parametrize("kind", [*Type, *Reason])
def test_troubleshooting_reasons_covered(kind: str) -> None:
    """Each condition and each reason is on the page about troubleshooting."""
    text = (ROOT / "docs/operations/troubleshooting.md").read_text()
    assert re.search(rf"`{kind}`|^##+ {kind}$|\[{kind}\]", text, re.MULTILINE)


def test_annotations_exist() -> None:
    """Each label and annotation of Freehold's in the documentation exists."""
    known = {value for value in vars(meta).values() if isinstance(value, str)} | {"freehold.dev/v1alpha1"}
    named = {match[0] for file in FILES for match in ANNOTATION.finditer(file.read_text())}
    assert named - known == set()


def test_fields_exist() -> None:
    """Each spec, whole or in part, has fields of the schema with valid values."""
    schema = deepcopy(openapi_schema()["properties"]["spec"])
    schema.pop("required")
    for file, body in resources():
        assert list(unknown(body["spec"], schema, "spec")) == [], file
        Draft202012Validator(schema).validate(body["spec"])


def test_resources_fit_schema() -> None:
    """Each whole Microservice has the required fields, and fields of the schema only."""
    schema, whole = openapi_schema(), [(file, body) for file, body in resources() if "kind" in body]
    assert len(whole) >= 3
    for file, body in whole:
        assert list(unknown(body["spec"], schema["properties"]["spec"], "spec")) == [], file
        Draft202012Validator(schema).validate(body)
