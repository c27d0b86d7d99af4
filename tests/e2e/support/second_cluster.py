"""A second local cluster with Freehold. Pods of both clusters reach each other, and both trust the same authority."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml
from freehold.kube.cluster_registry import CONFIG_MAP, KEY

from hack.stage import SYSTEM_NAMESPACE, Stage, install
from localcluster import cluster as local
from localcluster import images, links, network
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
        register(first, NAME, cluster, where, _paths())
        register(cluster, "east", first, _paths(), where)
        yield cluster
    finally:
        first.kubectl("delete", "configmap", CONFIG_MAP, "-n", SYSTEM_NAMESPACE, "--ignore-not-found")
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


def register(cluster: Cluster, name: str, other: Cluster, paths: ClusterPaths, own: ClusterPaths) -> None:
    """Register the other cluster, as the platform team does. paths: of the other cluster. own: of the cluster."""
    config = yaml.safe_load(other.stage.kubeconfig.read_text())["clusters"][0]["cluster"]
    entry = {
        "server": config["server"],
        "certificateAuthority": base64.b64decode(config["certificate-authority-data"]).decode(),
        "podCIDRs": [_pods(paths)],
    }
    data = {KEY: yaml.safe_dump({"clusters": {name: entry}, "localCIDRs": [_pods(own), str(network.SERVICES)]})}
    metadata = {"name": CONFIG_MAP, "namespace": SYSTEM_NAMESPACE}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def _pods(paths: ClusterPaths) -> str:
    return str(local.describe(paths, local.settings(paths)).network.pods)


def link(one: Space, name: str, other: Space) -> None:
    """Link service users of one cluster to the other cluster, as a person does by the command."""
    command = [str(FREEHOLD), "cluster", "link", name, "users", "-n", one.name]
    done = subprocess.run(
        command, env=one.cluster.stage.environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    other.cluster.kubectl("apply", "-f", "-", text=done.stdout)
