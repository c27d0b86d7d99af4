"""The definition as kubectl and its users read it: descriptions, explain, scale and the columns of get."""

from __future__ import annotations

from freehold.core.model.resources import Object

from tests.api.cluster import Cluster, until
from tests.api.validation import microservice


def properties(schema: Object, path: str = "") -> list[tuple[str, Object]]:
    found = []
    for name, body in schema.get("properties", {}).items():
        found.append((f"{path}.{name}", body))
        found += properties(body, f"{path}.{name}")
    return found + (properties(schema["items"], f"{path}[]") if "items" in schema else [])


def test_schema_descriptions(cluster: Cluster) -> None:
    """Every field has a description."""
    path = "apis/freehold.dev/v1alpha1"  # the API server publishes the schema of a new definition after a while
    until(lambda: path in cluster.request("GET", "/openapi/v3")["paths"], f"{path} is published")
    whole = cluster.request("GET", f"/openapi/v3/{path}")["components"]["schemas"]
    schema = whole["dev.freehold.v1alpha1.Microservice"]
    mine = {part: schema["properties"][part] for part in ("spec", "status")}
    fields = properties({"properties": mine})
    assert len(fields) > 40
    assert [path for path, body in fields if not body.get("description")] == []


def test_schema_kubectl_explain(cluster: Cluster) -> None:
    """kubectl explain prints the description of a field."""
    said = " ".join(cluster.kubectl("explain", "msvc.spec.database.storage.size").split())
    assert "A volume grows if the storage class allows expansion, and cannot shrink." in said


def test_schema_kubectl_scale_and_get(cluster: Cluster, home: str) -> None:
    """kubectl scale and kubectl get support the resource."""
    cluster.create(microservice(namespace=home))
    cluster.kubectl("scale", "-n", home, "msvc/users", "--replicas=3")
    live = cluster.get("Microservice", home, "users")
    assert live and live["spec"]["replicas"] == 3
    assert cluster.kubectl("get", "freehold", "-n", home).split()[:6] == [
        "NAME",
        "READY",
        "STATUS",
        "ENDPOINT",
        "DATABASE",
        "CONSUMES",
    ]
