"""Generated files are up to date, and chart values without a description are refused."""

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


def test_generated_files_current() -> None:
    """All generated files are up to date."""
    command = [sys.executable, "-m", "hack.generate", "--check"]
    done = subprocess.run(command, cwd=generate.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_check_does_not_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check reports a difference and does not write."""
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    file = tmp_path / "folder/file"
    assert not generate.up_to_date(file, "new\n", check=True) and not file.exists()
    assert not generate.up_to_date(file, "new\n", check=False) and file.read_text() == "new\n"
    assert generate.up_to_date(file, "new\n", check=True)


def objects() -> list[Object]:
    return [body for body in yaml.safe_load_all(INSTALL.read_text()) if body]


def test_install_manifest_equals_chart() -> None:
    """The install manifest has the chart's objects, the namespace, and no trace of Helm."""

    def named(bodies: list[Object]) -> list[tuple[str, str]]:
        return sorted((body["kind"], body["metadata"]["name"]) for body in bodies)

    assert named(objects()) == sorted([*named(render()), ("Namespace", "freehold-system")])
    assert "helm" not in INSTALL.read_text().partition("apiVersion")[2].lower()


def test_uninstall_command_keeps_definition() -> None:
    """The command in the head of the file never deletes a Microservice."""
    left = [body for body in objects() if body["metadata"]["labels"].get("app.kubernetes.io/component") != "operator"]
    assert sorted(body["kind"] for body in left) == ["CustomResourceDefinition", "Namespace"]


def test_values_schema_valid() -> None:
    """The schema is valid, and accepts the default values."""
    schema = json.loads((generate.CHART / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load((generate.CHART / "values.yaml").read_text()), schema)


VALUES = """\
# -- A name
# for people.
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


def test_value_described(tmp_path: Path) -> None:
    """A value becomes a row of the table and a rule of the schema."""
    values = chart_values.read(write(tmp_path, VALUES))
    properties = chart_values.schema(values, "Example")["properties"]
    expected = {"description": "A name for people.", "type": "string", "default": "a"}
    assert properties["name"] == expected | {"enum": ["a", "b"]}
    assert properties["section"]["properties"]["times"]["type"] == "integer"
    assert properties["section"]["additionalProperties"] is False
    assert chart_values.table(values).splitlines()[2:] == [
        "| `name` | `a` | A name for people. |",
        "| `section.times` | `3` | How often. |",
    ]


def test_value_without_description_refused(tmp_path: Path) -> None:
    """A value without a description is refused with file and line."""
    file = write(tmp_path, VALUES.replace("  # -- How often.\n", ""))
    with pytest.raises(chart_values.ValuesError, match=r"values\.yaml:7: section\.times has no description"):
        chart_values.read(file)
