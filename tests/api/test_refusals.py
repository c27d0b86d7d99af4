"""Refusals of pods: the Events of controllers, which a tenant can forge as well, and no other Event."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from freehold.core.model.resources import Object

from tests.api.cluster import Cluster, until
from tests.api.shop import microservice

DATABASE: Object = {"storage": {"size": "64Mi"}}
FORBIDDEN = 'pods "users-database-0" is forbidden: failed quota: compute: must specify limits.cpu for: postgresql'
NOTE = f"create Pod users-database-0 in StatefulSet users-database failed error: {FORBIDDEN}"


def record(cluster: Cluster, live: Object, note: str = NOTE, **fields: Any) -> None:
    """Create an Event about an object, as the recorder of Kubernetes' controllers does."""
    metadata, now = live["metadata"], datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    regarding = {key: metadata[key] for key in ("namespace", "name", "uid")}
    body = {
        "metadata": {"generateName": "x", "namespace": metadata["namespace"]},
        "involvedObject": {"kind": live["kind"], "apiVersion": "apps/v1", **regarding},
        "type": "Warning",
        "reason": "FailedCreate",
        "message": note,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
        "source": {"component": "statefulset-controller"},
        **fields,
    }
    cluster.request("POST", f"/api/v1/namespaces/{metadata['namespace']}/events", body)


def server(cluster: Cluster, home: str) -> Object:
    """Create a service with a database, and return its StatefulSet."""
    cluster.create(microservice(home, database=DATABASE))
    live = until(lambda: cluster.get("StatefulSet", home, "users-database"), "the StatefulSet exists")
    return {"kind": "StatefulSet", **live}


@pytest.mark.usefixtures("operator")
def test_refusal_reported_and_ended(cluster: Cluster, home: str) -> None:
    """A refusal is reported in the words of the API server, and ends with the first pod."""
    live = server(cluster, home)
    record(cluster, live)
    said = cluster.says(home, "users", "DatabaseReady", "RefusedByAdmission")
    assert (said["status"], said["message"]) == ("False", f"pods are refused: {FORBIDDEN}")
    template, owner = live["spec"]["template"], {"apiVersion": "apps/v1", "kind": "StatefulSet", "controller": True}
    owner |= {key: live["metadata"][key] for key in ("name", "uid")}
    metadata = {"name": "users-database-0", "namespace": home, "ownerReferences": [owner], **template["metadata"]}
    cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
    until(
        lambda: cluster.conditions(home, "users")["DatabaseReady"]["reason"] != "RefusedByAdmission",
        "the refusal is over",
    )


@pytest.mark.usefixtures("operator")
def test_other_events_ignored(cluster: Cluster, home: str) -> None:
    """Events of other reasons and types, and about former objects, say nothing of a refusal."""
    live = server(cluster, home)
    record(cluster, live, "another type", type="Normal")
    record(cluster, live, "another reason", reason="FailedUpdate")
    record(cluster, {**live, "metadata": {**live["metadata"], "uid": "of-a-former-object"}}, "another object")
    for number in range(200):
        record(cluster, live, f"refusal {number}")
    said = cluster.says(home, "users", "DatabaseReady", "RefusedByAdmission")
    assert said["message"].startswith("pods are refused: refusal ")
