"""Whatever is edited or deleted of what Freehold made for a service comes back, and the service with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.support.cluster import Object, Space
from tests.e2e.support.microservices import idle, payments

pytestmark = pytest.mark.first

MINE = "app.kubernetes.io/managed-by=freehold,app.kubernetes.io/instance=payments,freehold.dev/capability!=verification"
"""All but a probe, which comes and goes."""
KINDS = "serviceaccount,service,secret,configmap,statefulset,deployment,networkpolicy,poddisruptionbudget,job,pvc"
READERS_WALL = "networkpolicy/payments.contract"
"""Around what asks an image what it offers; gone with it."""
OPEN: list[Object] = [{}]
"""A rule that lets in everybody."""

EDITS: dict[str, Object] = {
    "ServiceAccount/payments": {"automountServiceAccountToken": True},
    "ServiceAccount/payments-database": {"automountServiceAccountToken": True},
    "Service/payments": {"spec": {"selector": {"app.kubernetes.io/instance": "somebody-else"}}},
    "Service/payments-database": {"spec": {"selector": {"extra": "label"}}},
    "Service/payments-database-nodes": {"spec": {"publishNotReadyAddresses": False}},
    "Secret/payments-database": {"data": {"password": "d3Jvbmc="}},
    "Secret/payments-database-owner": {"data": {"uri": "d3Jvbmc="}},
    "Secret/payments-database-server": {"data": {"another": "d3Jvbmc="}},
    "Secret/payments-database-tls": {"data": {"ca.crt": "d3Jvbmc="}},
    "ConfigMap/payments-consumes": {"data": {"users.host": "elsewhere"}},
    "ConfigMap/payments-contract": {"binaryData": {"descriptor-set": "d3Jvbmc="}},
    "ConfigMap/payments-database-configuration": {"data": {"pg_hba.conf": "host all all all trust\n"}},
    "NetworkPolicy/payments": {"spec": {"ingress": OPEN, "egress": OPEN}},
    "NetworkPolicy/payments-database": {"spec": {"ingress": OPEN}},
    "NetworkPolicy/payments-database-migrations": {"spec": {"policyTypes": ["Ingress"]}},
    "PodDisruptionBudget/payments": {"spec": {"maxUnavailable": 2}},
    "StatefulSet/payments-database": {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}},
    "Deployment/payments": {"spec": {"replicas": 0, "template": {"spec": {"hostNetwork": True}}}},
    "Job/payments-migrations": {"metadata": {"labels": {"app.kubernetes.io/component": "other"}}},
    "PersistentVolumeClaim/payments-database-data": {"metadata": {"labels": {"app.kubernetes.io/component": "other"}}},
}
"""Every object of a service that has all there is, and how somebody might edit it."""


@pytest.fixture(scope="module")
def yard(yard: Space) -> Space:
    """With payments in two pods, and a provider that is declared and has no pods."""
    yard.apply(idle("users"), payments(replicas=2))
    yard.until_ready("users", "payments")
    yard.until_condition("payments", "ContractPublished", "True")
    yard.gone(READERS_WALL)
    return yard


def test_drift_objects_complete(yard: Space) -> None:
    """EDITS names all objects of a service with every capability."""
    assert {_key(body) for body in yard.find(KINDS, MINE)} == set(EDITS)


@pytest.mark.parametrize("key", EDITS)
def test_drift_edited(yard: Space, key: str) -> None:
    """An edited object returns to its planned content, and the service to Ready."""
    what, before = _find(yard, key)

    yard.patch(what, EDITS[key])

    yard.until(what, lambda live: _content(live) == _content(before), within=30)
    yard.until_ready("payments")


@pytest.mark.parametrize("key", [key for key in EDITS if not key.startswith("PersistentVolumeClaim/")])
def test_drift_deleted(yard: Space, key: str) -> None:
    """A deleted object is created again with the same content, and the service returns to Ready."""
    what, before = _find(yard, key)

    yard.kubectl("delete", what, "--wait=false")

    yard.until(what, lambda live: live["metadata"]["uid"] != before["metadata"]["uid"], within=90)
    yard.until_ready("payments")
    after = yard.get(what)
    # The superuser's password was kept there alone, and a certificate is issued anew.
    if not key.endswith(("-server", "-tls")):
        assert _stable(after) == _stable(before)


def test_drift_nothing_left_over(yard: Space) -> None:
    """After all edits and deletions, the service has the same objects as before."""
    yard.gone(READERS_WALL)
    assert {_key(body) for body in yard.find(KINDS, MINE)} == set(EDITS)


def test_drift_volume_deleted(yard: Space) -> None:
    """A deleted claim is kept by its protection and reported, and replaced once its server stops."""
    yard.kubectl("delete", "pvc", "payments-database-data", "--wait=false")
    said = yard.until_condition("payments", "DatabaseReady", "False", "VolumeBeingDeleted", within=15)
    assert "take a copy of the data first" in said
    assert yard.psql("payments", "select count(*) from payments") == "0"

    before = yard.get("pvc/payments-database-data")["metadata"]["uid"]
    yard.kubectl("delete", "pod", "payments-database-0")
    yard.until("pvc/payments-database-data", lambda claim: claim["metadata"]["uid"] != before)
    yard.until_ready("payments")
    assert yard.psql("payments", "select count(*) from payments") == "0"


def _key(body: Object) -> str:
    """Kind and name; that of a Job, or of what an image offers, without the digest at its end."""
    name = body["metadata"]["name"]
    digest = body["kind"] == "Job" or "-contract-" in name
    return f"{body['kind']}/{name.rpartition('-')[0] if digest else name}"


def _find(yard: Space, key: str) -> tuple[str, Object]:
    (found,) = [body for body in yard.find(KINDS, MINE) if _key(body) == key]
    return f"{found['kind'].lower()}/{found['metadata']['name']}", found


def _content(live: Object) -> str:
    """All that a person may have changed: everything but the status and what the API server counts."""
    metadata = {key: live["metadata"].get(key) for key in ("labels", "annotations", "ownerReferences")}
    rest = {key: value for key, value in live.items() if key not in ("metadata", "status")}
    annotations = metadata["annotations"] or {}
    kept = {key: value for key, value in annotations.items() if not key.startswith("deployment.kubernetes.io/")}
    return json.dumps([{**metadata, "annotations": kept}, rest], sort_keys=True)


def _stable(live: Object) -> Any:
    """What an object made anew shares with the one before: its name, labels, owner, and a Secret's content."""
    return live["metadata"]["labels"], live["metadata"].get("ownerReferences"), live.get("data")
