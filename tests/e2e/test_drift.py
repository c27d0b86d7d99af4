"""Edited and deleted objects of a service are restored, and the service returns to Ready."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.support.cluster import Object, Space
from tests.e2e.support.microservices import idle, payments

pytestmark = pytest.mark.first

MINE = "app.kubernetes.io/managed-by=freehold,app.kubernetes.io/instance=payments,freehold.dev/capability!=verification"
"""A selector of all objects except isolation probes, which are temporary."""
KINDS = "serviceaccount,service,secret,configmap,statefulset,deployment,networkpolicy,poddisruptionbudget,pvc"
"""Jobs are not among them: the status records their results, and a Job that others change or remove stays so."""
READERS_WALL = "networkpolicy/payments.contract"
"""The network policy of the contract reader, which is deleted with the reader."""
OPEN: list[Object] = [{}]
"""A rule without restrictions."""

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
    "PersistentVolumeClaim/payments-database-data": {"metadata": {"labels": {"app.kubernetes.io/component": "other"}}},
}
"""Every object of a service with all capabilities, and an edit of each."""


@pytest.fixture(scope="module")
def yard(yard: Space) -> Space:
    """A namespace with payments in two pods, and a provider without pods."""
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
    # No other Secret has the superuser's password, and certificates are issued again.
    if not key.endswith(("-server", "-tls")):
        assert _stable(after) == _stable(before)


def test_drift_nothing_left_over(yard: Space) -> None:
    """After all edits and deletions, the service has the same objects as before."""
    yard.gone(READERS_WALL)
    assert {_key(body) for body in yard.find(KINDS, MINE)} == set(EDITS)


def test_drift_volume_deleted(yard: Space) -> None:
    """A deleted claim is kept by its protection and reported, and an accepted loss replaced once its server stops."""
    yard.kubectl("delete", "pvc", "payments-database-data", "--wait=false")
    said = yard.until_condition("payments", "DatabaseReady", "False", "VolumeBeingDeleted", within=15)
    assert "copy the data now" in said
    assert yard.psql("payments", "select count(*) from payments") == "0"

    since = yard.get("microservice/payments")["status"]["data"]["since"]
    yard.kubectl("delete", "pod", "payments-database-0")
    yard.until_condition("payments", "DatabaseReady", "False", "DataLost")
    assert not yard.exists("pvc/payments-database-data")
    yard.kubectl("annotate", "microservice/payments", f"freehold.dev/accept-data-loss={since}")
    yard.until_condition("payments", "DatabaseReady", "True", within=120)
    yard.until_ready("payments")
    assert yard.psql("payments", "select count(*) from payments") == "0"


def _key(body: Object) -> str:
    """Return kind and name, without the digest at the end of the names of contracts."""
    name = body["metadata"]["name"]
    return f"{body['kind']}/{name.rpartition('-')[0] if '-contract-' in name else name}"


def _find(yard: Space, key: str) -> tuple[str, Object]:
    (found,) = [body for body in yard.find(KINDS, MINE) if _key(body) == key]
    return f"{found['kind'].lower()}/{found['metadata']['name']}", found


def _content(live: Object) -> str:
    """Return the parts of an object that a person can edit: all but the status and the API server's counters."""
    metadata = {key: live["metadata"].get(key) for key in ("labels", "annotations", "ownerReferences")}
    rest = {key: value for key, value in live.items() if key not in ("metadata", "status")}
    annotations = metadata["annotations"] or {}
    kept = {key: value for key, value in annotations.items() if not key.startswith("deployment.kubernetes.io/")}
    return json.dumps([{**metadata, "annotations": kept}, rest], sort_keys=True)


def _stable(live: Object) -> Any:
    """Return the parts that a recreated object shares with the deleted: labels, owner, content of a Secret."""
    return live["metadata"]["labels"], live["metadata"].get("ownerReferences"), live.get("data")
