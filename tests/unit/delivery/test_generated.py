"""What is generated is up to date, and a value without a word about it is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from hack import chart_values, generate
from tests.unit.delivery.helm import Object, render

INSTALL = generate.ROOT / "manifests/install/freehold.yaml"


def test_everything_generated_is_up_to_date() -> None:
    command = [sys.executable, "-m", "hack.generate", "--check"]
    done = subprocess.run(command, cwd=generate.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_difference_is_shown_and_not_written_when_checking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    file = tmp_path / "folder/file"
    assert not generate.up_to_date(file, "new\n", check=True) and not file.exists()
    assert not generate.up_to_date(file, "new\n", check=False) and file.read_text() == "new\n"
    assert generate.up_to_date(file, "new\n", check=True)


def objects() -> list[Object]:
    return [body for body in yaml.safe_load_all(INSTALL.read_text()) if body]


def test_the_plain_manifests_are_the_chart_without_helm() -> None:
    def named(bodies: list[Object]) -> list[tuple[str, str]]:
        return sorted((body["kind"], body["metadata"]["name"]) for body in bodies)

    assert named(objects()) == sorted([*named(render()), ("Namespace", "freehold-system")])
    assert "helm" not in INSTALL.read_text().partition("apiVersion")[2].lower()


def test_removing_what_is_labelled_operator_leaves_the_definition_and_the_namespace() -> None:
    """The command in the file's head must never take a Microservice with it."""
    left = [body for body in objects() if body["metadata"]["labels"].get("app.kubernetes.io/component") != "operator"]
    assert sorted(body["kind"] for body in left) == ["CustomResourceDefinition", "Namespace"]


def test_the_schema_is_valid_and_takes_the_defaults() -> None:
    schema = json.loads((generate.CHART / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load((generate.CHART / "values.yaml").read_text()), schema)


VALUES = """\
# -- What it is called
# by people.
# @schema {enum: [a, b]}
name: a

section:
  # -- How often.
  times: 3
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "values.yaml"
    file.write_text(text)
    return file


def test_a_value_becomes_a_row_and_a_rule(tmp_path: Path) -> None:
    values = chart_values.read(write(tmp_path, VALUES))
    properties = chart_values.schema(values, "Example")["properties"]
    said = {"description": "What it is called by people.", "type": "string", "default": "a"}
    assert properties["name"] == said | {"enum": ["a", "b"]}
    assert properties["section"]["properties"]["times"]["type"] == "integer"
    assert properties["section"]["additionalProperties"] is False
    assert chart_values.table(values).splitlines()[2:] == [
        "| `name` | `a` | What it is called by people. |",
        "| `section.times` | `3` | How often. |",
    ]


def test_a_value_without_a_description_is_refused_with_its_place(tmp_path: Path) -> None:
    file = write(tmp_path, VALUES.replace("  # -- How often.\n", ""))
    with pytest.raises(chart_values.ValuesError, match=r"values\.yaml:7: section\.times has no description"):
        chart_values.read(file)
