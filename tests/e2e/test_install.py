"""Installed, upgraded and uninstalled, by Helm and by plain manifests, while the services go on serving."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hack.stage import ROOT, SYSTEM_NAMESPACE, Stage, install
from tests.e2e.support.cluster import Cluster, Space, uids
from tests.e2e.support.storefront_client import Load, Storefront

pytestmark = pytest.mark.alone

MANIFESTS = str(ROOT / "manifests/install/freehold.yaml")
OPERATOR_ONLY = ("-l", "app.kubernetes.io/component=operator")
RELEASE = ("freehold", "--namespace", SYSTEM_NAMESPACE)


@pytest.fixture
def put_back(cluster: Cluster) -> Iterator[Stage]:
    """Whatever a story does to the installation, the next finds the one the chart makes."""
    yield cluster.stage
    install(cluster.stage)


def test_helm_says_what_to_do_next(cluster: Cluster) -> None:
    notes = cluster.stage.run("helm", "get", "notes", *RELEASE)

    assert f"installed in namespace {SYSTEM_NAMESPACE}" in notes
    assert "kubectl get microservices" in notes


def test_an_upgrade_replaces_the_operator_and_nothing_else(cluster: Cluster, shop: Space, put_back: Stage) -> None:
    before, operator = _running(shop), _operator(cluster)

    install(put_back, "--set", "logLevel=debug")

    assert not operator & _operator(cluster)
    _looks_after(shop)
    assert _running(shop) == before


def test_uninstalled_it_keeps_every_service_running(
    cluster: Cluster, shop: Space, storefront: Storefront, put_back: Stage
) -> None:
    before = _running(shop)
    with Load(storefront):
        put_back.run("helm", "uninstall", *RELEASE, "--wait")
        cluster.kubectl("wait", "--for=delete", "pods", "-n", SYSTEM_NAMESPACE, *OPERATOR_ONLY, "--timeout=60s")
        assert cluster.kubectl("get", "crd", "microservices.freehold.dev", "-o", "name")
        storefront.purchase()

        install(put_back)
        _looks_after(shop)

    assert _running(shop) == before


def test_plain_manifests_do_the_same(cluster: Cluster, shop: Space, storefront: Storefront, put_back: Stage) -> None:
    before = _running(shop)
    with Load(storefront):
        put_back.run("helm", "uninstall", *RELEASE, "--wait")
        # The definition that Helm left behind changes hands, and back again.
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", MANIFESTS)
        cluster.operator_up()
        _looks_after(shop)

        cluster.kubectl("delete", "-f", MANIFESTS, *OPERATOR_ONLY)
        assert cluster.kubectl("get", "crd", "microservices.freehold.dev", "-o", "name")
        assert len(shop.find("microservices")) == 3
        install(put_back, "--take-ownership", "--force-conflicts")
        _looks_after(shop)

    assert _running(shop) == before


def test_the_schema_reads_like_documentation(cluster: Cluster) -> None:
    said = cluster.kubectl("explain", "microservice.spec.database.storage")

    assert "How much the volume holds, like 1Gi" in said


def _running(shop: Space) -> set[str]:
    """The pods that serve and the volumes they serve from, in this very incarnation."""
    found = shop.find("pods,pvc", "app.kubernetes.io/managed-by=freehold,!freehold.dev/probe")
    kept = ("service", "database")
    return uids([body for body in found if body["metadata"]["labels"]["app.kubernetes.io/component"] in kept])


def _operator(cluster: Cluster) -> set[str]:
    return uids(Space(cluster, SYSTEM_NAMESPACE).find("pods", OPERATOR_ONLY[1]))


def _looks_after(shop: Space) -> None:
    """The operator that runs now puts right what was deleted."""
    old = shop.get("networkpolicy/users")["metadata"]["uid"]
    shop.kubectl("delete", "networkpolicy", "users")
    shop.until("networkpolicy/users", lambda live: live["metadata"]["uid"] != old, within=60)
