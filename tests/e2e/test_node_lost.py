"""A database whose node is lost names its pod, its node and the way out, before and after the pod is evicted.

These stories take minutes, and a lost node affects every other story; `make campaign` runs them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from localcluster import cluster as local
from localcluster.paths import ClusterPaths
from tests.e2e.support.cluster import Object, Space
from tests.e2e.support.microservices import users
from tests.e2e.support.moves import placed

pytestmark = [pytest.mark.alone, pytest.mark.campaign]

NOTICED_WITHIN = 120
"""Seconds until the node controller marks the pods of a silent node."""
EVICTED_WITHIN = 420
WITHIN = 240
"""Seconds until the node is back and the service serves again."""


@contextmanager
def lost(zone: str) -> Iterator[str]:
    """Kill every process of a node at once, and start the node again in the end; yield its name."""
    whole = local.describe(ClusterPaths(), local.settings(ClusterPaths()))
    (machine,) = (one for one in whole.nodes if one.name.endswith(f"-{zone}"))
    pid = machine.running()
    assert pid
    os.kill(pid, signal.SIGKILL)
    try:
        yield machine.name
    finally:
        subprocess.run([sys.executable, "-m", "localcluster", "up"], check=True, timeout=WITHIN)


def test_node_lost(yard: Space) -> None:
    """NodeLost is reported once the node is silent, and still after the eviction; it ends with the node's return."""
    if yard.cluster.stage.kind != "local":
        pytest.skip("ends a node of the local cluster, which it knows the inside of")
    yard.apply(users(placement=placed("b")))
    yard.until_ready("users")
    with lost("b") as node:
        _names_the_way_out(yard, node)
        said = yard.until_condition("users", "EndpointReady", "False", within=30)
        assert "rollout" not in said
        yard.until("pod/users-database-0", _is_leaving, within=EVICTED_WITHIN)
        _names_the_way_out(yard, node)
        # The pod that replaces the service's needs a moment until no node takes it.
        said = yard.until_condition("users", "EndpointReady", "False", within=30)
        assert "rollout" not in said
    yard.until_ready("users", within=WITHIN)


def _names_the_way_out(space: Space, node: str) -> None:
    said = space.until_condition("users", "DatabaseReady", "False", "NodeLost", within=NOTICED_WITHIN)
    assert said.startswith(f"node {node} of pod users-database-0 does not answer; start the node again"), said
    assert f"kubectl taint node {node} node.kubernetes.io/out-of-service" in said


def _is_leaving(pod: Object) -> bool:
    """evicted"""
    return "deletionTimestamp" in pod["metadata"]
