"""Secrets need a grant in each namespace: a missing grant is reported, and the service continues once granted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hack.stage import grant
from tests.api import operators
from tests.api.cluster import Cluster
from tests.api.operators import Operator
from tests.api.shop import microservice

INSTALL = Path(__file__).parents[2] / "manifests/install/freehold.yaml"
RIGHTS = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
STORED = {"storage": {"size": "1Gi"}}


@pytest.fixture(scope="module")
def as_installed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig with exactly the rights the operator is installed with."""
    documents = [body for body in yaml.safe_load_all(INSTALL.read_text()) if body["kind"] in RIGHTS]
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(documents))
    return _as_operator(cluster, tmp_path_factory.mktemp("restricted"))


@pytest.fixture(scope="module")
def operator(as_installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with operators.running(as_installed, tmp_path_factory.mktemp("operator") / "log") as running:
        yield running


def _as_operator(cluster: Cluster, folder: Path) -> Path:
    """A kubeconfig with the operator's token in place of the administrator's certificate."""
    token = cluster.kubectl("create", "token", "freehold", "-n", "freehold-system").strip()
    known = yaml.safe_load(cluster.kubeconfig.read_text())
    known["users"] = [{"name": entry["name"], "user": {"token": token}} for entry in known["users"]]
    target = folder / "kubeconfig"
    target.write_text(json.dumps(known))
    return target


def bindings(namespace: str) -> str:
    return f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"


# First, while the module's operator does not run.
def test_grants_withdrawn(cluster: Cluster, as_installed: Path, home: str, tmp_path: Path) -> None:
    """A withdrawn grant is reported and changes no object."""
    cluster.request("POST", bindings(home), grant(home))
    cluster.create(microservice(home, database=STORED))
    with operators.running(as_installed, tmp_path / "log"):
        cluster.ready(home)
    before = {name: live["metadata"]["uid"] for name, live in cluster.owned(home).items()}

    cluster.request("DELETE", f"{bindings(home)}/freehold")

    # A running operator notices within a minute, when its watch ends; an operator that starts notices at once.
    with operators.running(as_installed, tmp_path / "log"):
        cluster.says(home, "users", "CredentialsReady", "SecretsNotGranted")
    assert {name: live["metadata"]["uid"] for name, live in cluster.owned(home).items()} == before


@pytest.mark.usefixtures("operator")
def test_grants_missing_then_given(cluster: Cluster, home: str) -> None:
    """A missing grant is reported with a command, and the service continues once granted."""
    cluster.create(microservice(home, database=STORED))
    said = cluster.says(home, "users", "CredentialsReady", "SecretsNotGranted")["message"]
    assert f"kubectl create rolebinding freehold --namespace {home} --clusterrole=freehold-secrets" in said
    assert not {name for name in cluster.owned(home) if name.startswith(("Secret", "StatefulSet"))}

    cluster.request("POST", bindings(home), grant(home))

    cluster.ready(home)
    assert "Secret users-database-tls" in cluster.owned(home)


@pytest.mark.usefixtures("operator")
def test_grants_not_needed(cluster: Cluster, home: str) -> None:
    """A service without Secrets needs no grant."""
    cluster.create(microservice(home))
    assert cluster.ready(home)["status"] == "True"


@pytest.mark.usefixtures("operator")
def test_grants_no_secrets_elsewhere(cluster: Cluster, home: str) -> None:
    """The operator may not read Secrets of a namespace without the grant."""
    review = {
        "spec": {
            "user": "system:serviceaccount:freehold-system:freehold",
            "resourceAttributes": {"namespace": home, "verb": "get", "resource": "secrets"},
        }
    }
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    assert not cluster.request("POST", path, review)["status"]["allowed"]
