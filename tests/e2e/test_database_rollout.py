"""A change of the platform restarts one database after the other, and stops where one stays down."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.e2e.support.cluster import Cluster, Space
from tests.e2e.support.microservices import users
from tests.e2e.support.operator_process import running, started

pytestmark = pytest.mark.alone

ABSENT = "localhost/freehold/absent:{version}"
NAMES = ("one", "two", "three")
SERVERS = "app.kubernetes.io/component=database,app.kubernetes.io/managed-by=freehold"
WATCHED_SECONDS = 20.0


@pytest.fixture(scope="module", autouse=True)
def _served(cluster: Cluster, yard: Space) -> Iterator[None]:
    yard.apply(*(users(name) for name in NAMES))
    yard.until_ready(*NAMES)
    with cluster.operator_down():
        yield


def ready(cluster: Cluster) -> set[str]:
    """Return the names of all database servers of the cluster that are Ready, with their namespaces."""
    listed = json.loads(cluster.kubectl("get", "statefulsets", "-A", "-l", SERVERS, "-o", "json"))["items"]
    served = (live for live in listed if live.get("status", {}).get("readyReplicas"))
    return {f"{live['metadata']['namespace']}/{live['metadata']['name']}" for live in served}


def test_database_rollout_image_absent(cluster: Cluster, yard: Space) -> None:
    """An image that no node can pull takes one database down; with the former image all serve again."""
    before = ready(cluster)
    with started(cluster.stage.kubeconfig, ABSENT) as operator:
        operator.until_up()
        operator.read_on()
        least, deadline = len(before), time.monotonic() + WATCHED_SECONDS
        while time.monotonic() < deadline:
            least = min(least, len(before & ready(cluster)))
            time.sleep(0.5)
    assert least == len(before) - 1

    with running(cluster) as operator:
        operator.read_on()
        yard.until_ready(*NAMES)
        deadline = time.monotonic() + 60
        while not before <= ready(cluster):
            assert time.monotonic() < deadline, f"not Ready again: {before - ready(cluster)}"
            time.sleep(0.5)
