"""Moves of a service between namespaces in a real API server: its old name becomes an alias, and a name again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.cluster import Cluster, Refused, until
from tests.api.shop import microservice, place, replicas

FREEHOLD = Path(sys.executable).with_name("freehold")
pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture
def away(cluster: Cluster, home: str) -> Iterator[str]:
    """A second namespace."""
    name = cluster.namespace(f"{home[:45]}-away")
    yield name
    for live in cluster.list("Microservice", name):
        cluster.delete("Microservice", name, live["metadata"]["name"])


def alias(cluster: Cluster, namespace: str) -> str | None:
    """Return the target of the alias; None while the name leads to the service's own pods."""
    spec = (cluster.get("Service", namespace, "users") or {})["spec"]
    assert (spec["type"] == "ExternalName") is ("externalName" in spec) is (spec.get("clusterIP") != "None")
    return str(spec["externalName"]) if "externalName" in spec else None


def peers(cluster: Cluster, namespace: str, name: str, way: str) -> set[tuple[str, str]]:
    """Return the peers of a network policy, as namespace and service."""
    rules = ((cluster.get("NetworkPolicy", namespace, name) or {}).get("spec") or {}).get(way, [])
    found = (peer for rule in rules for peer in rule.get("from" if way == "ingress" else "to", []))
    labels = (
        (p["namespaceSelector"]["matchLabels"], p["podSelector"]["matchLabels"]) for p in found if "ipBlock" not in p
    )
    return {(ns["kubernetes.io/metadata.name"], pod.get("app.kubernetes.io/instance", "")) for ns, pod in labels}


def test_namespaces_move_and_rollback(cluster: Cluster, home: str, away: str) -> None:
    """A service moves to another namespace and back, and its old name becomes an alias meanwhile."""
    cluster.create(microservice(home))
    cluster.create(microservice(home, "payments", consumes=[{"name": "users"}]))
    cluster.ready(home)
    cluster.ready(home, "payments")
    place(cluster, home, {"namespace": away})
    said = cluster.says(home, "users", "Relocated", "MoveBlocked")
    assert f"apply one with spec.placement.from: {home}" in said["message"]
    assert cluster.ready(home), "what runs goes on"

    cluster.create(microservice(away, placement={"from": home}))
    until(lambda: (away, "users") in peers(cluster, home, "payments", "egress"), "the consumer may go there")
    until(lambda: (home, "payments") in peers(cluster, away, "users", "ingress"), "and is let in there")
    cluster.says(home, "users", "Relocated", "MovingPods")
    assert alias(cluster, home) is None, "while nobody serves there, it leads to its own pods"

    cluster.ready(away)
    until(lambda: alias(cluster, home) == f"users.{away}.svc.cluster.local", "the old name is an alias")
    until(lambda: replicas(cluster, home) == 0, "its own pods end")
    cluster.says(home, "users", "Relocated", "Relocated")
    cluster.says(home, "users", "EndpointReady", "Redirected")
    cluster.ready(home)
    assert (cluster.get("Microservice", home, "users") or {})["status"]["endpointTarget"] == away
    target = (cluster.get("ConfigMap", home, "payments-consumes") or {})["data"]["users.uri"]
    assert target == f"dns:///users.{home}.svc:50051", "the consumer goes on using the name it knows"

    place(cluster, home, None)
    until(lambda: replicas(cluster, home) == 1, "its own pods start again")
    assert alias(cluster, home), "until they serve, the name leads where it led"
    assert (away, "users") in peers(cluster, home, "payments", "egress"), "and the way there stays open"
    cluster.run(home)
    until(lambda: alias(cluster, home) is None, "the name leads to its own pods")
    cluster.says(home, "users", "Relocated", "RedirectingEndpoint")
    assert (away, "users") in peers(cluster, home, "payments", "egress"), "whoever was told the alias may use it"
    assert (home, "payments") in peers(cluster, away, "users", "ingress"), "and is let in"
    until(lambda: (away, "users") not in peers(cluster, home, "payments", "egress"), "the way there is closed")
    until(lambda: (home, "payments") not in peers(cluster, away, "users", "ingress"), "on that side too")
    cluster.says(home, "users", "Relocated", "AtDestination")


def test_namespaces_consent_missing(cluster: Cluster, home: str, away: str) -> None:
    """Without the consent of both namespaces, no network policy opens and no name is redirected."""
    cluster.create(microservice(home))
    cluster.create(microservice(home, "payments", consumes=[{"name": "users"}]))
    cluster.create(microservice(away, placement={"from": home}))
    cluster.ready(home)
    cluster.ready(home, "payments")
    cluster.ready(away)
    said = cluster.says(away, "users", "Relocated", "WaitingForConsent")
    assert f"set spec.placement.namespace: {away} in {home}/users" in said["message"]
    assert peers(cluster, away, "users", "ingress") == set()
    assert (away, "users") not in peers(cluster, home, "payments", "egress")
    assert alias(cluster, home) is None


def test_namespaces_destination_deleted(cluster: Cluster, home: str, away: str) -> None:
    """After the destination resource is deleted, the old name leads to its own pods again."""
    cluster.create(microservice(home, placement={"namespace": away}))
    cluster.create(microservice(away, placement={"from": home}))
    cluster.ready(away)
    until(lambda: alias(cluster, home), "the old name is an alias")
    cluster.delete("Microservice", away, "users")
    cluster.says(home, "users", "Relocated", "MoveBlocked")
    cluster.ready(home)
    until(lambda: alias(cluster, home) is None, "it leads to its own pods again")


def test_namespaces_invalid_name(cluster: Cluster, home: str) -> None:
    """The API server refuses an invalid namespace name."""
    with pytest.raises(Refused, match=r"placement\.namespace"):
        cluster.create(microservice(home, placement={"namespace": "No_Name"}))


def test_namespaces_command(cluster: Cluster, home: str, away: str) -> None:
    """`freehold move` creates the destination resource, follows the move, and rolls it back."""
    cluster.create(microservice(home, "ledger"))
    cluster.create(microservice(home, consumes=[{"name": "ledger"}]))
    cluster.ready(home)
    arguments = [FREEHOLD, "move", "users", "-n", home, f"--kubeconfig={cluster.kubeconfig}"]
    with subprocess.Popen([*arguments, "--to-namespace", away], stdout=subprocess.PIPE, text=True) as going:
        until(lambda: cluster.get("Microservice", away, "users"), "there is one to take over")
        cluster.ready(away)
        told, _ = going.communicate(timeout=60)
    assert (going.returncode, [line.split("  ")[1].strip() for line in told.splitlines()]) == (
        0,
        ["✓ checked", "✓ pods moved", "✓ redirected"],
    )
    made = cluster.get("Microservice", away, "users") or {}
    assert made["spec"]["consumes"] == [{"name": "ledger", "namespace": home}]
    with subprocess.Popen([*arguments, "--rollback"], stdout=subprocess.PIPE, text=True) as back:
        until(lambda: replicas(cluster, home) == 1, "its own pods start again")
        cluster.ready(home)
        told, _ = back.communicate(timeout=60)
    assert (back.returncode, told) == (0, "  ✓ in place       the service runs where spec.placement declares\n")
    assert alias(cluster, home) is None
