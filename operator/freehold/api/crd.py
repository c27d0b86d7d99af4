"""The CustomResourceDefinition, generated from the models.

A structural schema (kubernetes.io/docs/tasks/extend-kubernetes/custom-resources) is stricter than JSON Schema:
no references, no nulls among the types, no titles. The rest of Pydantic's output is kept.
"""

from __future__ import annotations

from typing import Any

import yaml

from freehold.api.v1alpha1.microservice import GROUP, KIND, PLURAL, VERSION, Microservice

Schema = dict[str, Any]


def structural(schema: Schema, definitions: Schema) -> Schema:
    """Return the schema without references, titles and nulls."""
    if "$ref" in schema:
        target = definitions[schema["$ref"].rsplit("/", 1)[1]]
        return structural({**target, **{k: v for k, v in schema.items() if k != "$ref"}}, definitions)
    if "anyOf" in schema:
        (only,) = [option for option in schema["anyOf"] if option.get("type") != "null"]
        rest = {k: v for k, v in schema.items() if k != "anyOf"}
        return structural({**only, **rest}, definitions)
    left_out = {"title", "const", "$defs", "additionalProperties", "propertyNames"}
    kept = {k: v for k, v in schema.items() if k not in left_out}
    if kept.get("default", ...) is None:
        del kept["default"]
    if "const" in schema:
        kept["enum"] = [schema["const"]]
    if "description" in kept:
        kept["description"] = " ".join(kept["description"].split())
    # A rule needs values of one type. Quantities have two (`v1alpha1/quantity.py`), so the operator bounds the keys.
    if "propertyNames" in schema and "type" in schema["additionalProperties"]:
        bound = _bound_of_keys(schema["propertyNames"]["maxLength"])
        kept["x-kubernetes-validations"] = [*kept.get("x-kubernetes-validations", []), bound]
    if "properties" in kept:
        kept["properties"] = {k: structural(v, definitions) for k, v in kept["properties"].items()}
    for nested in ("items", "additionalProperties"):
        if isinstance(schema.get(nested), dict):
            kept[nested] = structural(schema[nested], definitions)
    return kept


def _bound_of_keys(most: int) -> Schema:
    """Return the rule that bounds the keys of a map, since structural schemas have no `propertyNames`."""
    message = f"has a key of more than {most} characters; shorten the key"
    return {"rule": f"self.all(key, size(key) <= {most})", "message": message}


def openapi_schema() -> Schema:
    """Return the schema of the resource in the API server's form."""
    raw = Microservice.model_json_schema(by_alias=True)
    schema = structural(raw, raw.get("$defs", {}))
    standard = {
        "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}"},
        "kind": {"type": "string", "description": KIND},
        # The bound lets the API server estimate the cost of the rules on names.
        "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 253}}},
    }
    return {**schema, "properties": {**standard, **schema["properties"]}}


def column(name: str, path: str, description: str, *, wide: bool = False, kind: str = "string") -> Schema:
    """Return a printer column. wide: only with `-o wide`."""
    body = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return {**body, "priority": 1} if wide else body


COLUMNS = [
    column("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether all conditions are met"),
    column("Status", '.status.conditions[?(@.type=="Ready")].reason', "The reason of condition Ready"),
    column("Endpoint", ".status.endpoint", "The address for consumers"),
    column("Database", ".status.database", "The database server"),
    column("Consumes", ".status.consumes", "The consumed services"),
    column("Age", ".metadata.creationTimestamp", "The time since creation", kind="date"),
    column(
        "Isolation",
        '.status.conditions[?(@.type=="IsolationVerified")].reason',
        "The reason of condition IsolationVerified",
        wide=True,
    ),
    column("Image", ".spec.image", "The container image", wide=True),
    column("Message", '.status.conditions[?(@.type=="Ready")].message', "The message of condition Ready", wide=True),
]


def custom_resource_definition() -> Schema:
    """Return the CustomResourceDefinition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{PLURAL}.{GROUP}",
            "labels": {
                "app.kubernetes.io/name": "freehold",
                "app.kubernetes.io/part-of": "freehold",
                "servicebinding.io/provisioned-service": "true",
            },
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["msvc"],
                "categories": ["freehold"],
            },
            "versions": [version()],
        },
    }


def version() -> Schema:
    """Return the only version, served and stored."""
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": openapi_schema()},
        "additionalPrinterColumns": COLUMNS,
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
    }


class _Literal(yaml.SafeDumper):
    """A YAML dumper without anchors and aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the dumper's own signature
        return True


def as_yaml() -> str:
    """Return the definition as the text of the file in manifests/crd."""
    head = "# Generated by `make generate` from operator/freehold/api/v1alpha1; edit the models instead.\n"
    return head + yaml.dump(custom_resource_definition(), Dumper=_Literal, sort_keys=False, width=110)


if __name__ == "__main__":
    print(as_yaml(), end="")
