"""The CustomResourceDefinition: structural, bounded, and equal to the file in manifests/crd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from freehold.api import crd
from freehold.api.v1alpha1.database import Resources
from freehold.api.v1alpha1.microservice import MicroserviceSpec
from freehold.core.model.resources import Object
from pydantic import ValidationError

ROOT = Path(__file__).parents[3]


def schemas(schema: Object, path: str = "") -> Iterator[tuple[str, Object]]:
    """Yield every schema within a schema, with the path."""
    yield path, schema
    for name, body in schema.get("properties", {}).items():
        yield from schemas(body, f"{path}.{name}")
    for nested in ("items", "additionalProperties"):
        if isinstance(schema.get(nested), dict):
            yield from schemas(schema[nested], f"{path}[]")


def test_manifest_current() -> None:
    """The manifest equals the models."""
    manifest = ROOT / "manifests/crd/microservices.freehold.dev.yaml"
    assert manifest.read_text() == crd.as_yaml(), "run make generate"


def test_schema_structural() -> None:
    """The schema is structural: each value has a type, or is a quantity, which may be a number or a string."""
    for path, schema in schemas(crd.openapi_schema()):
        assert schema.keys() & {"type", "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"}, path
        assert not {"$ref", "$defs", "anyOf", "allOf", "title", "const"} & schema.keys(), path


def test_fields_bounded_and_described() -> None:
    """Every field of the spec has a description, lists a bound, and rules a message."""
    spec = crd.openapi_schema()["properties"]["spec"]
    for path, schema in schemas(spec, "spec"):
        if not path.endswith("[]"):
            assert schema.get("description"), path
        if schema.get("type") == "array":
            assert "maxItems" in schema, path
        for rule in schema.get("x-kubernetes-validations", []):
            assert rule.get("message") or rule.get("messageExpression"), path


def test_list_keys() -> None:
    """Conditions are keyed by type, consumed services by name."""
    properties = crd.openapi_schema()["properties"]
    conditions = properties["status"]["properties"]["conditions"]
    assert (conditions["x-kubernetes-list-type"], conditions["x-kubernetes-list-map-keys"]) == ("map", ["type"])
    consumes = properties["spec"]["properties"]["consumes"]
    assert (consumes["x-kubernetes-list-type"], consumes["x-kubernetes-list-map-keys"]) == ("map", ["name"])


def test_spec_bounded() -> None:
    """No string, list or map of the spec is unbounded: a resource stays small, and so do the objects made from it."""
    spec = crd.openapi_schema()["properties"]["spec"]
    unbounded = [path for path, schema in schemas(spec, "spec") if not is_bounded(schema)]
    assert unbounded == []


def is_bounded(schema: Object) -> bool:
    match schema.get("type"):
        case None if "x-kubernetes-int-or-string" in schema:
            return "maxLength" in schema
        case None:
            bounds = {"pattern", "maxLength", "minimum", "maximum"}
            return schema.keys() >= bounds and schema["maxProperties"] == schema["maxItems"] == 0
        case "string":
            return "maxLength" in schema or "enum" in schema
        case "array":
            return "maxItems" in schema
        case "object" if "type" not in schema.get("additionalProperties", {"type": ""}):
            return "maxProperties" in schema  # the keys are bounded by `test_resources_bounded`
        case "object" if "properties" not in schema:
            rules = [rule["rule"] for rule in schema.get("x-kubernetes-validations", [])]
            return "maxProperties" in schema and "self.all(key, size(key) <= 317)" in rules
        case _:
            return True


@pytest.mark.parametrize("image", ["users:\x1b]52;c;ZXZpbA==\x07", "users:1\u202e", "users: 1", "ü:1", "u" * 1025, ""])
def test_image_is_printable(image: str) -> None:
    """An image is printable ASCII: the name is shown on terminals, and no registry takes another."""
    with pytest.raises(ValidationError):
        MicroserviceSpec.model_validate({"image": image, "grpc": {}})


def test_resources_bounded() -> None:
    """The operator bounds the keys of resources: no rule of the schema sees a map with values of two types."""
    with pytest.raises(ValidationError, match="at most 317 characters"):
        Resources.model_validate({"limits": {"a" * 318: "1"}})


AMOUNTS = [
    (1, "1"),
    (0, "0"),
    (0.5, "0.5"),
    (0.1, "0.1"),
    (1e-7, "0.0000001"),
    (10**18, "1000000000000000000"),
    ("500m", "500m"),
    ("0.5Gi", "0.5Gi"),
    ("1e9", "1e9"),
]


@pytest.mark.parametrize(("written", "read"), AMOUNTS)
def test_quantity_read(written: object, read: str) -> None:
    """Numbers and strings are read as the strings that Kubernetes writes."""
    assert Resources.model_validate({"limits": {"cpu": written}}).limits == {"cpu": read}


@pytest.mark.parametrize(
    "written", [True, None, -1, "-1", float("inf"), float("nan"), 1e19, "", "one", "1e3Mi", {}, []]
)
def test_quantity_refused(written: object) -> None:
    """Anything else is refused, with examples."""
    with pytest.raises(ValidationError, match=r"is not a quantity; write one like 500m, 0\.5 or 128Mi"):
        Resources.model_validate({"limits": {"cpu": written}})
