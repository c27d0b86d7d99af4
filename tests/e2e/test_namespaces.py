"""A namespace can always be deleted, with and without a running operator, and nothing is left."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.support.cluster import Cluster, Space
from tests.e2e.support.microservices import payments, users

WITHIN = "--timeout=180s"


def test_namespaces_operator_running(cluster: Cluster, spaces: Callable[..., Space]) -> None:
    """A namespace with services is deleted completely while the operator runs."""
    space = spaces("leaving-alive")
    volumes = _provision(space)

    cluster.kubectl("delete", "namespace", space.name, WITHIN)

    _nothing_stays(space, volumes)


@pytest.mark.alone
def test_namespaces_operator_down(cluster: Cluster, spaces: Callable[..., Space]) -> None:
    """A namespace with services is deleted completely while no operator runs."""
    space = spaces("leaving-down")
    volumes = _provision(space)

    with cluster.operator_down():
        cluster.kubectl("delete", "namespace", space.name, WITHIN)
        _nothing_stays(space, volumes)


def test_namespaces_while_provisioning(cluster: Cluster, spaces: Callable[..., Space]) -> None:
    """A namespace is deleted completely while a service in it is provisioned."""
    space = spaces("leaving-early")
    space.apply(users())
    space.until_condition("users", "Ready", "False")

    cluster.kubectl("delete", "namespace", space.name, WITHIN)

    _nothing_stays(space, [])


def _provision(space: Space) -> list[str]:
    """Start two services with databases; return the names of their volumes."""
    space.apply(users(), payments())
    space.until_ready("users", "payments")
    return [claim["spec"]["volumeName"] for claim in space.find("pvc")]


def _nothing_stays(space: Space, volumes: list[str]) -> None:
    assert not space.cluster.kubectl("get", "namespace", space.name, "--ignore-not-found")
    for volume in volumes:
        space.gone(f"persistentvolume/{volume}")
