"""Shared fixtures: an API server with Freehold's definition, and operators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from hack import rights
from localcluster import tools
from localcluster.apiserver import ApiServer
from tests.api import operators
from tests.api.cluster import APPLY, Cluster, until
from tests.api.operators import Operator
from tests.api.proxy import Proxy

ROOT = Path(__file__).parents[2]
DEFINITION = ROOT / "manifests/crd/microservices.freehold.dev.yaml"
NOT_INSTALLED = {"CustomResourceDefinition", "Deployment", "NetworkPolicy"}
STORAGE_CLASS = {
    "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "example.com/none",
    "allowVolumeExpansion": True,
}


@pytest.fixture(scope="session")
def server() -> Iterator[ApiServer]:
    with ApiServer(audit=True) as server:
        yield server


@pytest.fixture(scope="session")
def ends() -> Iterator[ExitStack]:
    """Resources that end with the session."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def cluster(server: ApiServer) -> Cluster:
    return prepared(server)


def prepared(server: ApiServer) -> Cluster:
    """Prepare an API server with the definition and an expandable storage class."""
    cluster = Cluster(server.kubeconfig)
    definition = yaml.safe_load(DEFINITION.read_text())
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition['metadata']['name']}"
    cluster.request("PATCH", path, definition, APPLY, fieldManager="tests")
    cluster.request("POST", "/apis/storage.k8s.io/v1/storageclasses", STORAGE_CLASS)
    until(cluster.serves, "the definition is served")
    cluster.namespace("freehold-system")
    return cluster


@pytest.fixture(scope="session")
def second() -> Iterator[Cluster]:
    """A second API server, in the role of another cluster."""
    with ApiServer() as server:
        yield prepared(server)


@pytest.fixture(scope="module")
def as_installed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A kubeconfig of the operator's ServiceAccount, with the roles and the admission policies of the chart.

    The policies are removed afterwards: other tests create Freehold's objects in place of the operator.
    """
    wanted = [body for body in yaml.safe_load_all(rights.INSTALL.read_text()) if body["kind"] not in NOT_INSTALLED]
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(wanted))
    namespace, _, name = rights.ACCOUNT.partition("/")
    token = cluster.kubectl("create", "token", name, "-n", namespace).strip()
    whole = yaml.safe_load(cluster.kubeconfig.read_text())
    whole["users"] = [{"name": user["name"], "user": {"token": token}} for user in whole["users"]]
    kubeconfig = tmp_path_factory.mktemp("as-installed") / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(whole))
    yield kubeconfig
    policies = [body for body in wanted if body["kind"].startswith("ValidatingAdmission")]
    cluster.kubectl("delete", "-f", "-", stdin=yaml.safe_dump_all(policies))


@pytest.fixture(scope="module")
def operator(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An operator for all namespaces, for one module."""
    log = tmp_path_factory.mktemp("operator") / "log"
    with operators.running(cluster.kubeconfig, log) as running:
        yield running
    text = log.read_text()
    assert "Traceback" not in text, text


@pytest.fixture
def gateway_api(cluster: Cluster) -> Iterator[None]:
    """The definition of GRPCRoutes, for one test."""
    definition = yaml.safe_load(tools.gateway_api("grpcroutes").read_text())
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition['metadata']['name']}"
    cluster.request("PATCH", path, definition, APPLY, fieldManager="tests", force="true")
    until(lambda: cluster.serves("GRPCRoute"), "the definition is served")
    yield
    cluster.request("DELETE", path)
    until(lambda: not cluster.serves("GRPCRoute"), "the definition is gone")


@pytest.fixture(scope="module")
def proxy(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Proxy:
    """A proxy of the API server that can be cut after a number of writes."""
    return Proxy(cluster.kubeconfig, tmp_path_factory.mktemp("proxy"))


@pytest.fixture
def home(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace for one test; its services are deleted afterwards."""
    words = request.node.name.removeprefix("test_").replace("_", "-").replace("[", "-").replace("]", "")
    name = "".join(letter for letter in words.lower() if letter.isalnum() or letter == "-")[:50].strip("-")
    yield cluster.namespace(name)
    for live in cluster.list("Microservice", name):
        cluster.delete("Microservice", name, live["metadata"]["name"])
