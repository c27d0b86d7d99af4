"""A claim that held data is never replaced by an empty one before somebody accepts the loss."""

from __future__ import annotations

import pytest
from freehold.core.model.resources import Object

from tests.api.cluster import Cluster, until
from tests.api.shop import FULL, microservice

pytestmark = pytest.mark.usefixtures("operator")
CLAIM = "users-database-data"
SECRETS = ("users-database", "users-database-owner", "users-database-server")


def declare(cluster: Cluster, home: str) -> Object:
    """Create a service with a database, and return the server's StatefulSet."""
    cluster.create(microservice(home, **{**FULL, "consumes": []}))
    cluster.ready(home)
    until(lambda: recorded(cluster, home), "the data is recorded")
    return cluster.get("StatefulSet", home, "users-database") or {}


def recorded(cluster: Cluster, home: str) -> Object:
    live = cluster.get("Microservice", home, "users") or {}
    found: Object = live.get("status", {}).get("data", {})
    return found


def prune(cluster: Cluster, home: str) -> None:
    """Delete what a tool finds that takes all labelled objects without an owner for its own."""
    unowned = [live for live in cluster.owned(home).values() if not live["metadata"].get("ownerReferences")]
    assert {live["metadata"]["name"] for live in unowned} >= {CLAIM, *SECRETS}
    for live in sorted(unowned, key=lambda live: live["kind"] != "Secret"):
        cluster.delete(live["kind"], home, live["metadata"]["name"])


def release(cluster: Cluster, home: str) -> None:
    """Take the protection off the claim, as Kubernetes does once no pod uses it."""
    cluster.patch("PersistentVolumeClaim", home, CLAIM, {"metadata": {"finalizers": None}})
    until(lambda: cluster.get("PersistentVolumeClaim", home, CLAIM) is None, "the claim is gone")


def look_again(cluster: Cluster, home: str) -> None:
    """Wait until the operator has reconciled users, by an object that comes back."""
    cluster.delete("ServiceAccount", home, "users")
    until(lambda: cluster.get("ServiceAccount", home, "users"), "the operator has looked")


def test_loss_objects_without_owner(cluster: Cluster, home: str) -> None:
    """Every object without an owner asks Argo CD to leave it alone, and no owned object does."""
    declare(cluster, home)
    for name, live in cluster.owned(home).items():
        metadata = live["metadata"]
        options = metadata.get("annotations", {}).get("argocd.argoproj.io/sync-options")
        assert options == (None if metadata.get("ownerReferences") else "Prune=false,Delete=false"), name


def test_loss_prune(cluster: Cluster, home: str) -> None:
    """A prune of claim and Secrets leaves the server as it is; once the claim is gone, none is created until the loss
    is accepted."""
    before = declare(cluster, home)
    since = recorded(cluster, home)["since"]
    prune(cluster, home)
    cluster.says(home, "users", "DatabaseReady", "VolumeBeingDeleted")
    until(lambda: all(cluster.get("Secret", home, name) for name in SECRETS), "the Secrets are made anew")
    cluster.patch("Microservice", home, "users", {"spec": {"database": {"resources": {"limits": {"memory": "1Gi"}}}}})
    look_again(cluster, home)
    server = cluster.get("StatefulSet", home, "users-database") or {}
    assert server["metadata"]["generation"] == before["metadata"]["generation"]

    release(cluster, home)
    said = cluster.says(home, "users", "DatabaseReady", "DataLost")
    assert said["status"] == "False" and f"freehold.dev/accept-data-loss={since}" in said["message"]
    assert cluster.conditions(home, "users")["Ready"]["status"] == "False"
    look_again(cluster, home)
    assert cluster.get("PersistentVolumeClaim", home, CLAIM) is None
    notes = [event["reason"] for event in cluster.request("GET", f"/api/v1/namespaces/{home}/events")["items"]]
    assert {"VolumeBeingDeleted", "DataLost"} <= set(notes)

    cluster.kubectl("annotate", "microservice", "users", "-n", home, f"freehold.dev/accept-data-loss={since}")
    until(lambda: cluster.get("PersistentVolumeClaim", home, CLAIM), "an empty claim is created")
    cluster.ready(home)


def test_loss_restored(cluster: Cluster, home: str) -> None:
    """A claim that somebody restores under its name is used again."""
    declare(cluster, home)
    live = cluster.get("PersistentVolumeClaim", home, CLAIM) or {}
    metadata = {key: live["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
    cluster.delete("PersistentVolumeClaim", home, CLAIM)
    release(cluster, home)
    cluster.says(home, "users", "DatabaseReady", "DataLost")
    restored = cluster.create({"kind": "PersistentVolumeClaim", "metadata": metadata, "spec": live["spec"]})
    cluster.ready(home)
    until(lambda: recorded(cluster, home)["uid"] == restored["metadata"]["uid"], "the restored claim is recorded")
