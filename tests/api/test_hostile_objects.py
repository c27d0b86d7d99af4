"""Objects that a tenant wrote to stop, fill or deceive the operator: the services of others are reconciled."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from freehold.core.model.resources import Object
from freehold.kube import diff

from tests.api import operators
from tests.api.cluster import APPLY, KINDS, MERGE, Cluster, Refused, until
from tests.api.operators import Operator
from tests.api.shop import microservice

DEPTH = 1_500
LABELLED = {"app.kubernetes.io/managed-by": "freehold", "app.kubernetes.io/instance": "nobody"}
MIB = 2**20


def nest(cluster: Cluster, kind: str, namespace: str, name: str) -> None:
    """Replace an object by itself, with managedFields nested DEPTH levels deep, as its owner may."""
    entry = {"manager": "x", "operation": "Update", "fieldsType": "FieldsV1", "time": "2026-01-01T00:00:00Z"}
    deep = '{"f:data":' + '{"f:a":' * DEPTH + "{}" + "}" * (DEPTH + 1)

    def replace() -> Object | None:
        live = cluster.get(kind, namespace, name)
        assert live
        fields = [{**entry, "apiVersion": live["apiVersion"], "fieldsV1": "DEEP"}]
        body = json.dumps({**live, "metadata": {**live["metadata"], "managedFields": fields}})
        try:
            return cluster.request("PUT", KINDS[kind].path(namespace, name), body.replace('"DEEP"', deep))
        except Refused as refused:
            if refused.status == 409:
                return None  # the operator has written meanwhile
            raise

    stored = until(replace, f"{kind} {name} is nested")
    assert "f:a" in json.dumps(stored["metadata"]["managedFields"]), "the API server keeps the fields"


def hostile(cluster: Cluster, namespace: str) -> None:
    """Create a deep ConfigMap with Freehold's label and a deep Microservice, in a namespace that is listed first."""
    cluster.namespace(namespace)
    cluster.create({"kind": "ConfigMap", "metadata": {"namespace": namespace, "name": "deep", "labels": LABELLED}})
    cluster.create(microservice(namespace, "deep"))
    nest(cluster, "ConfigMap", namespace, "deep")
    nest(cluster, "Microservice", namespace, "deep")


def test_deep_objects_before_start(cluster: Cluster, tmp_path: Path) -> None:
    """An operator starts, and reconciles each service, beside objects that Python's decoder refuses."""
    hostile(cluster, "a-before")
    cluster.namespace("beside")
    cluster.create(microservice("beside"))
    with operators.running(cluster.kubeconfig, tmp_path / "log"):
        cluster.ready("beside")
        cluster.ready("a-before", "deep")
    log = (tmp_path / "log").read_text()
    assert "retry in" not in log and "Traceback" not in log, log


@pytest.mark.usefixtures("operator")
def test_deep_objects_while_running(cluster: Cluster, home: str) -> None:
    """The watches go on behind such objects, and one of Freehold's own is put right."""
    hostile(cluster, "a-while")
    cluster.create(microservice(home))
    cluster.ready(home)
    cluster.ready("a-while", "deep")
    nest(cluster, "NetworkPolicy", home, "users")

    def own() -> bool:
        live = cluster.get("NetworkPolicy", home, "users")
        return bool(live and not diff.foreign({"kind": "NetworkPolicy", **live}))

    until(own, "the network policy is Freehold's alone again")
    cluster.ready(home)


@pytest.mark.usefixtures("operator")
def test_large_resource_reported(cluster: Cluster, home: str) -> None:
    """A Microservice that is too large for the operator's memory says so; smaller again, the service is reconciled."""
    large = microservice(home)
    large["metadata"]["labels"] = {f"large-{number}": "x" * 63 for number in range(11_000)}
    cluster.create(large)
    cluster.create(microservice(home, "payments"))
    found = cluster.says(home, "users", "Ready", "InvalidSpec")
    assert found["message"].startswith("the resource cannot be used: the object has more than 786432 characters")
    cluster.ready(home, "payments")
    cluster.request("PATCH", KINDS["Microservice"].path(home, "users"), {"metadata": {"labels": None}}, MERGE)
    cluster.ready(home)


def test_labelled_junk_takes_no_memory(cluster: Cluster, operator: Operator, home: str) -> None:
    """ConfigMaps of 1 MB with Freehold's label are not kept, and are listed in small pages."""
    pid = operator.process.pid
    before = resident(pid)
    for number in range(60):
        metadata = {"namespace": home, "name": f"junk-{number}", "labels": LABELLED}
        cluster.create({"kind": "ConfigMap", "metadata": metadata, "data": {"x": os.urandom(500_000).hex()}})
    cluster.create(microservice(home))
    cluster.ready(home)
    assert resident(pid) - before < 40 * MIB


def resident(pid: int | None) -> int:
    """Return the memory of a process in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize(
    ("says", "edit"),
    [
        ("an open range of ports", {"ingress": [{"ports": [{"port": 1, "endPort": 65535, "protocol": "TCP"}]}]}),
        ("a policy that selects no pod", {"podSelector": {"matchLabels": {"no-such": "pod"}}}),
    ],
)
def test_policy_widened_under_own_manager(cluster: Cluster, home: str, says: str, edit: Object) -> None:
    """A field that was added to a network policy under the manager's name of Freehold's is removed."""
    cluster.create(microservice(home))
    cluster.ready(home)
    before = cluster.get("NetworkPolicy", home, "users")
    assert before
    spec = {**before["spec"], **edit}
    spec["podSelector"] = {**before["spec"]["podSelector"], **edit.get("podSelector", {})}
    spec["podSelector"]["matchLabels"] |= before["spec"]["podSelector"]["matchLabels"]
    body = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": spec}
    body["metadata"] = {key: before["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
    path = KINDS["NetworkPolicy"].path(home, "users")
    changed = cluster.request("PATCH", path, body, APPLY, fieldManager="freehold", force="true")
    assert changed["spec"] != before["spec"], says
    until(lambda: (cluster.get("NetworkPolicy", home, "users") or {})["spec"] == before["spec"], f"undone: {says}")
