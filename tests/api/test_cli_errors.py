"""Failures of `kubectl freehold` against a real API server: one sentence with the action, and exit code 2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from freehold.core.model.resources import Object

from localcluster.apiserver import ApiServer
from tests.api.cluster import Cluster, until
from tests.api.commands import create_shop, refusal, run
from tests.api.operators import free_port
from tests.api.shop import microservice

pytestmark = pytest.mark.usefixtures("operator")
LIST_SERVICES: Object = {"apiGroups": ["freehold.dev"], "resources": ["microservices"], "verbs": ["list"]}


@pytest.fixture
def shop(cluster: Cluster, home: str) -> str:
    """A namespace with users, payments and front."""
    create_shop(cluster, home)
    return home


def kubeconfig(cluster: Cluster, folder: Path, user: Object, context: str = "tests", **instead: str) -> Path:
    """A kubeconfig for the cluster with another user, or with another server."""
    whole = yaml.safe_load(cluster.kubeconfig.read_text())
    server = {**whole["clusters"][0]["cluster"], **instead}
    contexts = [{"name": context, "context": {"cluster": "tests", "user": "tests", "namespace": "shop"}}]
    named = {"clusters": [{"name": "tests", "cluster": server}], "users": [{"name": "tests", "user": user}]}
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump({"current-context": "tests", "contexts": contexts, **named}))
    return file


def with_rights(cluster: Cluster, namespace: str, folder: Path, *rules: Object) -> Path:
    """The kubeconfig of a user with only these rights in a namespace."""
    cluster.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "guest"}})
    roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    cluster.request("POST", f"{roles}/roles", {"metadata": {"name": "guest"}, "rules": list(rules)})
    subject = {"kind": "ServiceAccount", "name": "guest", "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "guest"}
    binding = {"metadata": {"name": "guest"}, "roleRef": role, "subjects": [subject]}
    cluster.request("POST", f"{roles}/rolebindings", binding)
    token = f"/api/v1/namespaces/{namespace}/serviceaccounts/guest/token"
    return kubeconfig(cluster, folder, {"token": cluster.request("POST", token, {})["status"]["token"]})


def test_missing_right_names_role(cluster: Cluster, home: str, tmp_path: Path) -> None:
    """Without the right to list Microservices, the ClusterRole and its binding are named."""
    guest = with_rights(cluster, home, tmp_path)
    user = f"system:serviceaccount:{home}:guest"
    assert until(lambda: refusal(guest, "matrix", "-n", home), "the server answers") == (
        f"no right to list microservices in namespace {home}; ClusterRole view has it; an administrator binds it "
        f"by kubectl create rolebinding freehold-view --clusterrole=view --user={user} -n {home}"
    )
    everywhere = refusal(guest, "status", "-A")
    assert "in all namespaces (-n NAMESPACE reads only one)" in everywhere and "clusterrolebinding" in everywhere


def test_missing_right_to_namespace_labels(cluster: Cluster, home: str, tmp_path: Path) -> None:
    """Without the labels of namespaces, verdicts are unknown and a note names the cause."""
    selector = {"from": "Selector", "selector": {"matchLabels": {"team": "sales"}}}
    cluster.create(microservice(home, grpc={"consumers": selector}))
    cluster.create(microservice(home, "payments", consumes=[{"name": "users"}, {"name": "far", "namespace": "away"}]))
    guest = with_rights(cluster, home, tmp_path, LIST_SERVICES)
    until(lambda: run(guest, "matrix", "-n", home).exit_code == 0, "its right is known to the server")
    done = run(guest, "matrix", "-n", home)
    note = f"Note: no right to read the labels of namespace {home}: consent by selector cannot be judged"
    assert note in done.stderr
    assert [line.split() for line in done.stdout.splitlines()][1] == ["payments", "–", "?", "·"]
    unknown = run(guest, "why", "payments", "users", "-n", home)
    assert unknown.exit_code == 2 and unknown.stdout.startswith("Unknown")
    assert "? consumes away/far: no right to read namespace away" in run(guest, "graph", "-n", home).stdout


@pytest.fixture(scope="module")
def bare() -> Iterator[Path]:
    """A cluster without Freehold."""
    with ApiServer() as server:
        yield server.kubeconfig


def test_cluster_without_freehold(bare: Path) -> None:
    """Without the CustomResourceDefinition, the installation is named."""
    assert refusal(bare, "matrix") == (
        "the cluster has no Microservices; Freehold is not installed; install it by "
        "helm install freehold charts/freehold --namespace freehold-system --create-namespace"
    )


def test_unknown_names(cluster: Cluster, shop: str) -> None:
    """Unknown services are answered with similar names, empty namespaces with a note."""
    assert refusal(cluster.kubeconfig, "matrix", "-n", "nowhere") == "namespace nowhere does not exist"
    assert refusal(cluster.kubeconfig, "status", "user", "-n", shop).endswith("; did you mean users?")
    assert refusal(cluster.kubeconfig, "why", "users", "payment", "-n", shop) == (
        f"service payment does not exist in namespace {shop}; did you mean payments?"
    )
    empty = run(cluster.kubeconfig, "matrix", "-n", "default")
    assert empty.exit_code == 0 and empty.stdout == ""
    assert empty.stderr == "Note: no Microservice in namespace default; -A reads all namespaces\n"


def test_unusable_connections(cluster: Cluster, tmp_path: Path) -> None:
    """An unusable kubeconfig, context, credential or server is named with the action."""
    missing = tmp_path / "missing"
    assert refusal(missing, "matrix") == (
        f"no cluster: {missing} does not exist; name a kubeconfig with --kubeconfig or KUBECONFIG"
    )
    for text in ("", "text", "{{{:", "contexts: []"):
        broken = tmp_path / "broken"
        broken.write_text(text)
        assert refusal(broken, "matrix").startswith(f"no cluster: {broken} cannot be used: ")
    unknown_user = kubeconfig(cluster, tmp_path, {"token": "nonsense"})
    assert refusal(unknown_user, "matrix").startswith("the cluster does not accept these credentials")
    assert refusal(unknown_user, "matrix", "--context", "test") == (
        f"{unknown_user} has no context test; kubectl config get-contexts lists its contexts"
    )
    silent = kubeconfig(cluster, tmp_path, {}, server=f"https://127.0.0.1:{free_port()}")
    assert refusal(silent, "matrix").startswith("the API server does not answer: ")


def test_context_with_namespace(cluster: Cluster, shop: str, tmp_path: Path) -> None:
    """--context selects cluster, user and namespace, as in kubectl."""
    user = yaml.safe_load(cluster.kubeconfig.read_text())["users"][0]["user"]
    file = kubeconfig(cluster, tmp_path, user, context="other")
    file.write_text(
        file.read_text().replace("current-context: tests", "").replace("namespace: shop", f"namespace: {shop}")
    )
    assert refusal(file, "matrix").startswith(f"no cluster: {file} cannot be used: ")
    done = run(cluster.kubeconfig, "graph", "--kubeconfig", str(file), "--context", "other")
    assert done.exit_code == 0 and "payments\n├── consumes users" in done.stdout, done.output
