"""Migrations where others remove Jobs, or add containers to their pods."""

from __future__ import annotations

import pytest
from freehold.core.model.resources import Object

from tests.api.cluster import Cluster, until
from tests.api.shop import FULL, microservice

pytestmark = pytest.mark.usefixtures("operator")
NOW = "2026-01-02T03:04:05Z"


def jobs(cluster: Cluster, namespace: str, image: str = "") -> list[Object]:
    """Return the migrations Jobs, of an image."""
    found = [live for live in cluster.list("Job", namespace) if "-migrations-" in live["metadata"]["name"]]
    return [live for live in found if image in live["spec"]["template"]["spec"]["containers"][0]["image"]]


def recorded(cluster: Cluster, namespace: str) -> Object:
    """Return status.migrations; empty without."""
    live = cluster.get("Microservice", namespace, "users") or {}
    return dict(live.get("status", {}).get("migrations", {}))


def served(cluster: Cluster, namespace: str) -> None:
    cluster.create(microservice(namespace, **{**FULL, "consumes": []}))
    cluster.ready(namespace)


def start(cluster: Cluster, job: Object, statuses: list[Object]) -> None:
    """Create the pod of a Job with statuses of its containers, in place of controller and kubelet."""
    metadata, template = job["metadata"], job["spec"]["template"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "controller": True}
    owner |= {key: metadata[key] for key in ("name", "uid")}
    name, namespace = f"{metadata['name']}-x", metadata["namespace"]
    own = {"name": name, "namespace": namespace, "labels": template["metadata"]["labels"], "ownerReferences": [owner]}
    injected = {"name": "agent", "image": "agent:1"}
    containers = [injected, *template["spec"]["containers"]]
    cluster.create({"kind": "Pod", "metadata": own, "spec": {**template["spec"], "containers": containers}})
    common = {"image": "x", "imageID": "", "ready": False, "restartCount": 0}
    said = {"containerStatuses": [{**common, **status} for status in statuses]}
    cluster.patch("Pod", namespace, name, {"status": said}, "status")


def test_migrations_job_removed(cluster: Cluster, home: str) -> None:
    """A Job that others remove once it has ended is not made again, and Ready does not waver."""
    served(cluster, home)
    before = recorded(cluster, home)
    assert before["image"] == "users:1"
    ready = cluster.conditions(home, "users")["Ready"]
    (job,) = jobs(cluster, home)
    cluster.delete("Job", home, job["metadata"]["name"])
    cluster.patch("Microservice", home, "users", {"metadata": {"annotations": {"looked": "at"}}})
    # Events arrive in order: once this resource is Ready, the deletion of the Job was seen.
    cluster.create(microservice(home, "later"))
    cluster.ready(home, "later")
    assert jobs(cluster, home) == []
    assert recorded(cluster, home) == before
    assert cluster.conditions(home, "users")["Ready"] == ready

    cluster.patch("Microservice", home, "users", {"spec": {"image": "users:2"}})
    until(lambda: jobs(cluster, home, "users:2"), "another image is migrated")
    assert recorded(cluster, home) == {}
    cluster.ready(home)
    assert recorded(cluster, home)["image"] == "users:2"


def test_migrations_on_request(cluster: Cluster, home: str) -> None:
    """The annotation runs a migration again that is recorded."""
    served(cluster, home)
    before = recorded(cluster, home)
    again = {"metadata": {"annotations": {"freehold.dev/run-migrations": "restored"}}}
    cluster.patch("Microservice", home, "users", again)
    until(lambda: recorded(cluster, home) == {}, "the record is removed")
    cluster.ready(home)
    assert recorded(cluster, home)["hash"] != before["hash"]


def test_migrations_beside_an_injected_container(cluster: Cluster, home: str) -> None:
    """A migration that ended with 0 is applied although an injected container goes on, and its Job is removed."""
    served(cluster, home)
    cluster.patch("Microservice", home, "users", {"spec": {"image": "users:2"}})
    (job,) = until(lambda: jobs(cluster, home, "users:2"), "the image is migrated")
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": NOW, "finishedAt": NOW}
    agent = {"name": "agent", "ready": True, "state": {"running": {"startedAt": NOW}}}
    start(cluster, job, [agent, {"name": "migrations", "state": {"terminated": ended}}])
    until(lambda: recorded(cluster, home).get("image") == "users:2", "the migration is recorded")
    until(lambda: jobs(cluster, home) == [], "the Job is removed")
    assert cluster.conditions(home, "users")["MigrationsApplied"]["reason"] == "Applied"
    cluster.ready(home)


def test_migrations_wait_for_a_lock(cluster: Cluster, home: str) -> None:
    """A migration that waited for a lock in vain is no failure, and its Job stays."""
    served(cluster, home)
    cluster.patch("Microservice", home, "users", {"spec": {"image": "users:2"}})
    (job,) = until(lambda: jobs(cluster, home, "users:2"), "the image is migrated")
    failed = {"exitCode": 1, "reason": "Error", "startedAt": NOW, "finishedAt": NOW}
    failed |= {"message": "ERROR:  canceling statement due to lock timeout"}
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    own = {"name": "migrations", "restartCount": 1, "state": waiting, "lastState": {"terminated": failed}}
    start(cluster, job, [own])
    said = cluster.says(home, "users", "MigrationsApplied", "WaitingForLock")
    assert said["status"] == "Unknown"
    assert "users:1 goes on serving; the migration is tried again" in said["message"]
    assert jobs(cluster, home, "users:2")
