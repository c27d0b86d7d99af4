"""The operator detects within a minute that the cluster stops enforcing network policies, and enforces them again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from hack.stage import SYSTEM_NAMESPACE
from localcluster.cluster import enforce_policies
from localcluster.paths import ClusterPaths
from tests.e2e.support.cluster import Cluster, Space

pytestmark = pytest.mark.alone

SOON = 60
"""Seconds within which the operator must report the change."""


@pytest.fixture
def switch(cluster: Cluster, shop: Space) -> Iterator[Callable[[bool], None]]:
    """A function that turns enforcement on and off. Afterwards enforcement is on, and the operator has reported so."""
    if cluster.stage.kind != "local":
        pytest.skip(f"a cluster of kind {cluster.stage.kind} has no switch for its network plugin; the local one does")
    where = ClusterPaths()
    assert where.kubeconfig == cluster.stage.kubeconfig
    try:
        yield lambda on: enforce_policies(where, on=on)
    finally:
        enforce_policies(where, on=True)
        shop.until_condition("users", "IsolationVerified", "True", within=2 * SOON)


def test_enforcement_off_and_on(cluster: Cluster, shop: Space, switch: Callable[[bool], None]) -> None:
    """Within a minute, the operator reports that network policies are not enforced, and enforced again."""
    shop.until_condition("users", "IsolationVerified", "True")
    operator = _leader(cluster)

    switch(False)

    said = shop.until_condition("users", "IsolationVerified", "False", within=SOON)
    _names_a_pair(said, operator)
    warned = shop.until_event("users", "Warning", shop.condition("users", "IsolationVerified")["reason"])
    _names_a_pair(warned, operator)
    shop.until_condition("users", "Ready", "False", within=5)
    _names_a_pair(_told(cluster, operator, "Warning", "PoliciesNotEnforced"), operator)

    switch(True)

    shop.until_condition("users", "IsolationVerified", "True", "Verified", within=SOON)
    shop.until_ready("users", within=5)
    assert "enforced" in _told(cluster, operator, "Normal", "PoliciesEnforced")


def test_enforcement_off_at_start(cluster: Cluster, switch: Callable[[bool], None]) -> None:
    """An operator that begins to lead in a cluster without enforcement reports PoliciesNotEnforced."""
    switch(False)
    before = _leader(cluster)
    cluster.kubectl("delete", "pod", "-n", SYSTEM_NAMESPACE, before, "--timeout=60s")
    cluster.operator_up()
    after = _leader(cluster)
    assert after != before

    _names_a_pair(_told(cluster, after, "Warning", "PoliciesNotEnforced"), after)


def _names_a_pair(said: str, operator: str) -> None:
    """Assert that a message names source, port and remedy."""
    source, _, target = said.partition(" → ")
    assert "freehold" in source, f"{said} does not say that {operator} tried"
    assert " is open" in target, said
    assert "check that the cluster's network plugin enforces NetworkPolicies" in said


def _leader(cluster: Cluster) -> str:
    """Return the name of the operator's pod that leads."""
    return str(cluster.leader()["metadata"]["name"])


def _told(cluster: Cluster, pod: str, kind: str, reason: str) -> str:
    """Wait for an Event about the operator's pod; return the message."""
    return Space(cluster, SYSTEM_NAMESPACE).until_event(pod, kind, reason, about="Pod", within=SOON)
