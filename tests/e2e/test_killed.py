"""The operator is killed at a point of a provisioning, and the next operator completes the service.

Three of the ten points are part of every run; `make campaign` runs all. tests/api kills the operator after each write.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.support.cluster import Cluster, Space, uids
from tests.e2e.support.microservices import database, users
from tests.e2e.support.operator_process import running

pytestmark = pytest.mark.alone

POINTS = (
    "write ServiceAccount {}",
    "write Secret {}-database-server",
    "write Secret {}-database-owner",
    "write PersistentVolumeClaim {}-database-data",
    "write NetworkPolicy {}-database",
    "write Service {}-database",
    "write Service {}",
    "write StatefulSet {}-database",
    "write Job {}-migrations-",
    "write Deployment {}",
)
"""The log line right before each write; the operator dies before, during or right after the write."""
SLICE = {"write PersistentVolumeClaim {}-database-data", "write StatefulSet {}-database", "write Job {}-migrations-"}
"""The points of every run."""
CASES = [
    pytest.param(
        point,
        id=line.replace("{}", "NAME").replace(" ", "-"),
        marks=() if line in SLICE else pytest.mark.campaign,
    )
    for point, line in enumerate(POINTS)
]
KINDS = "serviceaccount,service,secret,configmap,statefulset,deployment,networkpolicy,job,pvc,pod"
NO_PROBE = "freehold.dev/capability!=verification,!freehold.dev/probe"
"""A selector without isolation probes, whose Jobs and pods are temporary."""
EXPECTED = {
    "ConfigMap": 1,
    "Deployment": 1,
    "Job": 1,
    "NetworkPolicy": 3,
    "PersistentVolumeClaim": 1,
    "Pod": 3,
    "Secret": 4,
    "Service": 3,
    "ServiceAccount": 2,
    "StatefulSet": 1,
}


@pytest.fixture(scope="module", autouse=True)
def _installed_operator_down(cluster: Cluster) -> Iterator[None]:
    with cluster.operator_down():
        yield


@pytest.mark.parametrize("point", CASES)
def test_killed_operator(yard: Space, point: int) -> None:
    """An operator killed at a write is followed by one that completes the service and creates nothing twice."""
    name = f"killed-{point}"
    line = POINTS[point].format(name)
    with running(yard.cluster) as operator:
        yard.apply(users(name, database=database("users", deletionPolicy="Delete")))
        operator.kill_at(lambda said: said[-1].endswith(line) or (line.endswith("-") and line in said[-1]))
    mine = f"app.kubernetes.io/instance={name},{NO_PROBE}"
    before = uids(yard.find(KINDS, mine))

    with running(yard.cluster) as operator:
        operator.read_on()
        yard.until_ready(name)

    found = yard.find(KINDS, mine)
    counted = {kind: sum(body["kind"] == kind for body in found) for kind in EXPECTED}
    assert counted == EXPECTED
    assert before <= uids(found), "what was there when it was killed was made anew"
    assert yard.psql(name, "select count(*) from schema_migrations") == "1"
    yard.kubectl("delete", "microservice", name, "--wait=false")
