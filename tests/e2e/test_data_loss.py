"""Data is not lost to a prune, and a loss is never hidden by an empty database."""

from __future__ import annotations

import pytest

from tests.e2e.support.cluster import Object, Space, uids
from tests.e2e.support.microservices import users

INSERT = "insert into users (name, email) values ('Ada', 'ada@example.org')"
EMAILS = "select email from users"
KINDS = "networkpolicy,pvc,secret,configmap,service,deployment,statefulset,job,serviceaccount"
CLAIM, BINDING = "pvc/users-database-data", "secret/users-database"
AS_THE_SERVICE = """
import os, psycopg
print(psycopg.connect(os.environ["DATABASE_URL"]).execute("select email from users").fetchone()[0])
"""
EMPTIED = "rm -rf /var/lib/postgresql/data/pgdata"


@pytest.fixture(scope="module")
def yard(yard: Space) -> Space:
    """A namespace with users and a row; the resource has the label that Argo CD writes by default."""
    body = users()
    body["metadata"]["labels"] = {"app.kubernetes.io/instance": "users"}
    yard.apply(body)
    yard.until_ready("users")
    yard.psql("users", INSERT)
    return yard


def unowned(yard: Space) -> list[Object]:
    """Return what a tool finds that takes all objects with the service's label and without an owner for its own."""
    found = yard.find(KINDS, "app.kubernetes.io/instance=users")
    return [live for live in found if not live["metadata"].get("ownerReferences")]


def since(yard: Space) -> str:
    """Return the time in the record of the data."""
    return str(yard.get("microservice/users")["status"]["data"]["since"])


def accept(yard: Space) -> None:
    """Accept the loss of the recorded data, as the condition says."""
    yard.kubectl("annotate", "microservice/users", f"freehold.dev/accept-data-loss={since(yard)}", "--overwrite")


def serves(yard: Space) -> None:
    """Wait until users is Ready after a loss, with an empty table and a new record."""
    yard.until_condition("users", "DatabaseReady", "True", within=180)
    yard.until_ready("users")
    assert yard.psql("users", "select count(*) from users") == "0"


def test_loss_argo_cd_asked(yard: Space) -> None:
    """Every object without an owner asks Argo CD to leave it alone."""
    found = unowned(yard)
    assert {live["kind"] for live in found} == {"NetworkPolicy", "PersistentVolumeClaim", "Secret"}
    for live in found:
        annotations = live["metadata"]["annotations"]
        assert annotations["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"
        assert annotations["argocd.argoproj.io/compare-options"] == "IgnoreExtraneous"


def test_loss_pruned(yard: Space) -> None:
    """A prune of everything without an owner, Secrets first, stops no server and loses no row, and the condition says
    that the claim is being deleted. The service keeps its password if one of the Secrets was there as the others were
    made again, and otherwise gets a new one for its data."""
    server = uids(yard.pods("users", "database"))
    before, bound = yard.get("deployment/users")["metadata"]["generation"], yard.get(BINDING)
    what = sorted((f"{live['kind'].lower()}/{live['metadata']['name']}" for live in unowned(yard)), reverse=True)

    yard.kubectl("delete", *what, "--wait=false")

    yard.until_condition("users", "DatabaseReady", "False", "VolumeBeingDeleted", within=15)
    yard.until_event("users", "Warning", "VolumeBeingDeleted")
    yard.until(BINDING, lambda live: live["metadata"]["uid"] != bound["metadata"]["uid"])
    if yard.get(BINDING)["data"]["password"] != bound["data"]["password"]:
        # The kubelet renews the mounted Secret within about a minute, and the server sets the roles.
        yard.until("deployment/users", lambda live: _rolled(live, before), within=240)
    yard.spec("users", database={"resources": {"limits": {"memory": "600Mi"}}})
    yard.until("microservice/users", _observed)
    assert yard.psql("users", EMAILS) == "ada@example.org"
    inside = ("exec", "deployment/users", "--", "/opt/users/bin/python", "-c", AS_THE_SERVICE)
    assert yard.kubectl(*inside).strip() == "ada@example.org"
    assert uids(yard.pods("users", "database")) == server


def test_loss_claim_gone(yard: Space) -> None:
    """Once the server stops and the claim is gone, no empty claim is created until somebody accepts the loss.

    Continues with the claim of the test before, which is being deleted.
    """
    yard.kubectl("delete", "pod", "users-database-0", "--wait=false")
    said = yard.until_condition("users", "DatabaseReady", "False", "DataLost", within=90)
    assert f"freehold.dev/accept-data-loss={since(yard)}" in said
    yard.until_event("users", "Warning", "DataLost")
    assert yard.condition("users", "Ready")["status"] == "False"
    assert not yard.exists(CLAIM)

    accept(yard)
    serves(yard)


def test_loss_volume_emptied(yard: Space) -> None:
    """A server does not start on a volume that lost its content; an accepted loss replaces claim and server."""
    claim = yard.get(CLAIM)["metadata"]["uid"]
    # The kubelet renews the mounted record within about a minute; a new pod has it from the start.
    yard.kubectl("exec", "users-database-0", "-c", "postgresql", "--", "bash", "-c", EMPTIED)
    yard.kubectl("delete", "pod", "users-database-0", "--grace-period=5", "--wait=false")
    said = yard.until_condition("users", "DatabaseReady", "False", "DataLost", within=120)
    assert "is empty" in said
    assert yard.get(CLAIM)["metadata"]["uid"] == claim

    accept(yard)
    yard.until(CLAIM, lambda live: live["metadata"]["uid"] != claim, within=120)
    serves(yard)


def _observed(live: Object) -> bool:
    """Return whether the operator has seen the newest edit of a Microservice."""
    return bool(live["status"]["observedGeneration"] == live["metadata"]["generation"])


def _rolled(live: Object, before: int) -> bool:
    """Return whether all pods of a Deployment are of a newer generation than before, and available."""
    generation, status = live["metadata"]["generation"], live.get("status", {})
    counts = {status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")}
    return generation > before and status.get("observedGeneration") == generation and counts == {1}
