"""A second local cluster with Freehold. Pods of both clusters reach each other, and both trust the same authority."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hack.stage import SYSTEM_NAMESPACE, Stage, install
from localcluster import cluster as local
from localcluster import images, links
from localcluster.paths import DEFAULT_NAME, ClusterPaths
from localcluster.progress import step
from localcluster.run import run
from tests.e2e.support.cluster import Cluster, Space
from tests.e2e.support.moves import FREEHOLD

NAME = "west"
IMAGES = ("operator", "postgres", "users")
AUTHORITY = "freehold-ca"


@contextmanager
def beside(first: Cluster) -> Iterator[Cluster]:
    """Start a second cluster for the duration of the block."""
    if first.stage.kind != "local":
        pytest.skip("two clusters whose pods reach each other are made by localcluster alone")
    where = ClusterPaths(NAME)
    try:
        local.up(where)
        with step("images") as progress:
            local.load(where, list(images.ensure(IMAGES, progress).values()))
        links.link(where, _paths())
        cluster = Cluster(Stage("local", where.kubeconfig))
        _trust(first, cluster)
        install(cluster.stage)
        yield cluster
    finally:
        local.down(where)


@contextmanager
def parted() -> Iterator[None]:
    """Interrupt the network between the clusters for the duration of the block."""
    where, other = ClusterPaths(NAME), _paths()
    hub = local.describe(where, local.settings(where)).network.hub
    wire = links.wire_name(local.describe(other, local.settings(other)).network)
    run(["ip", "-n", hub, "link", "set", wire, "down"])
    try:
        yield
    finally:
        links.link(where, other)


def _paths() -> ClusterPaths:
    """Return the paths of the cluster that all stories share."""
    return ClusterPaths(os.environ.get("LOCAL_CLUSTER", DEFAULT_NAME))


def _trust(one: Cluster, other: Cluster) -> None:
    """Copy the certificate authority of one cluster to the other, as the chart's README describes."""
    live = json.loads(one.kubectl("get", "secret", AUTHORITY, "-n", SYSTEM_NAMESPACE, "-o", "json"))
    metadata = {"name": AUTHORITY, "namespace": SYSTEM_NAMESPACE, "labels": live["metadata"]["labels"]}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}}
    secret = {"apiVersion": "v1", "kind": "Secret", "type": live["type"], "metadata": metadata, "data": live["data"]}
    other.apply(namespace, secret)


def link(one: Space, name: str, other: Space) -> None:
    """Link a namespace of one cluster to the other cluster, as a person does by the command."""
    command = [str(FREEHOLD), "cluster", "link", name, "-n", one.name]
    done = subprocess.run(
        command, env=one.cluster.stage.environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    other.cluster.kubectl("apply", "-f", "-", text=done.stdout)
