"""Installation, upgrade and removal by Helm and by plain manifests, while services continue to serve."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.stage import ROOT, SYSTEM_NAMESPACE, Stage, install
from tests.e2e.support.cluster import OPERATOR_PODS, Cluster, Space, uids
from tests.e2e.support.storefront_client import Load, Storefront

pytestmark = pytest.mark.alone

MANIFESTS = ROOT / "manifests/install/freehold.yaml"
OPERATOR_ONLY = OPERATOR_PODS[2:]
RELEASE = ("freehold", "--namespace", SYSTEM_NAMESPACE)


@pytest.fixture
def put_back(cluster: Cluster) -> Iterator[Stage]:
    """The stage; afterwards Freehold is installed by the chart again."""
    yield cluster.stage
    install(cluster.stage)


def test_install_helm_notes(cluster: Cluster) -> None:
    """The chart's notes name the namespace and the next command."""
    notes = cluster.stage.run("helm", "get", "notes", *RELEASE)

    assert f"installed in namespace {SYSTEM_NAMESPACE}" in notes
    assert "kubectl get microservices" in notes


def test_install_upgrade(cluster: Cluster, shop: Space, put_back: Stage) -> None:
    """An upgrade replaces the operator's pods and no pod or volume of a service."""
    before, operator = _running(shop), _operator(cluster)

    install(put_back, "--set", "logLevel=debug")
    cluster.operator_up()

    assert not operator & _operator(cluster)
    _looks_after(shop)
    assert _running(shop) == before


def test_install_uninstalled(cluster: Cluster, shop: Space, storefront: Storefront, put_back: Stage) -> None:
    """Every service runs on while the chart is uninstalled, and is reconciled after the next installation."""
    before = _running(shop)
    with Load(storefront):
        put_back.run("helm", "uninstall", *RELEASE, "--wait")
        cluster.kubectl("wait", "--for=delete", "pods", *OPERATOR_PODS, "--timeout=60s")
        assert cluster.kubectl("get", "crd", "microservices.freehold.dev", "-o", "name")
        storefront.purchase()

        install(put_back)
        _looks_after(shop)

    assert _running(shop) == before


def test_install_plain_manifests(
    cluster: Cluster, shop: Space, storefront: Storefront, put_back: Stage, tmp_path: Path
) -> None:
    """The plain manifests replace the chart and give way to the chart while every service runs on."""
    before = _running(shop)
    with Load(storefront):
        put_back.run("helm", "uninstall", *RELEASE, "--wait")
        # The definition, which Helm keeps, gets another field manager, and Helm takes it back afterwards.
        manifests = _with_loaded_image(tmp_path)
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", manifests)
        cluster.operator_up()
        _looks_after(shop)

        cluster.kubectl("delete", "-f", manifests, *OPERATOR_ONLY)
        assert cluster.kubectl("get", "crd", "microservices.freehold.dev", "-o", "name")
        assert len(shop.find("microservices")) == 3
        install(put_back, "--take-ownership", "--force-conflicts")
        _looks_after(shop)

    assert _running(shop) == before


def test_install_schema_documented(cluster: Cluster) -> None:
    """kubectl explain prints the documentation of a field."""
    said = cluster.kubectl("explain", "microservice.spec.database.storage")

    assert "The size of the volume, such as 1Gi" in said


def _running(shop: Space) -> set[str]:
    """Return the UIDs of the pods of services and databases, and of their claims."""
    found = shop.find("pods,pvc", "app.kubernetes.io/managed-by=freehold,!freehold.dev/probe")
    kept = ("service", "database")
    return uids([body for body in found if body["metadata"]["labels"]["app.kubernetes.io/component"] in kept])


def _operator(cluster: Cluster) -> set[str]:
    """Return the UIDs of the operator's pods, without those that end."""
    pods = Space(cluster, SYSTEM_NAMESPACE).find("pods", OPERATOR_ONLY[1])
    return uids([pod for pod in pods if "deletionTimestamp" not in pod["metadata"]])


def _looks_after(shop: Space) -> None:
    """Assert that the present operator restores a deleted object."""
    old = shop.get("networkpolicy/users")["metadata"]["uid"]
    shop.kubectl("delete", "networkpolicy", "users")
    shop.until("networkpolicy/users", lambda live: live["metadata"]["uid"] != old, within=60)


def _with_loaded_image(folder: Path) -> str:
    """Write the manifests with the tag of the image on the nodes, and return the file."""
    text = re.sub(r"(localhost/freehold/operator):[0-9.]+", r"\1:dev", MANIFESTS.read_text())
    (folder / "freehold.yaml").write_text(text)
    return str(folder / "freehold.yaml")
