"""Clusters that are not registered, and kubeconfigs that are refused, against a real API server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api import operators
from tests.api.cluster import Cluster, until
from tests.api.remote_cluster import introduce, register
from tests.api.shop import microservice, place
from tests.api.switchovers import DATABASE, IMAGE


@pytest.mark.parametrize(
    ("registered", "kubeconfig", "message"),
    [
        ("", None, "cluster west is not registered; ask the platform team to register the cluster in ConfigMap"),
        ("https://192.0.2.1", None, "Secret west with the kubeconfig does not exist"),
        ("https://192.0.2.1", "", "has no current-context with its cluster and user"),
        (
            "https://192.0.2.1",
            """{current-context: x, contexts: [{name: x, context: {cluster: x, user: x}}],
            clusters: [{name: x, cluster: {server: "https://192.0.2.1"}}],
            users: [{name: x, user: {exec: {command: id}}}]}""",
            "the kubeconfig's user has exec, which is refused; use only token",
        ),
        (
            "https://192.0.2.1",
            """{current-context: x, contexts: [{name: x, context: {cluster: x, user: x}}],
            clusters: [{name: x, cluster: {server: "https://192.0.2.9"}}], users: [{name: x, user: {token: x}}]}""",
            "names another server than https://192.0.2.1:443, which is registered",
        ),
    ],
    ids=["not registered", "none", "empty", "a plugin", "another server"],
)
def test_clusters_unusable_kubeconfig(
    cluster: Cluster, home: str, tmp_path: Path, registered: str, kubeconfig: str | None, message: str
) -> None:
    """A cluster that is not registered, and an absent or unusable kubeconfig, are reported and change no object."""
    register(cluster, **({"west": registered} if registered else {}))
    with operators.running(cluster.kubeconfig, tmp_path / "log", home, image=IMAGE):
        cluster.create(microservice(home, database=DATABASE))
        cluster.ready(home)
        before = cluster.owned(home)
        if kubeconfig is not None:
            introduce(cluster, home, "west", kubeconfig)
        place(cluster, home, {"cluster": "west"})
        said = cluster.says(home, "users", "Relocated", "ClusterUnknown")
        assert "cluster west is not known: " in said["message"] and message in said["message"]
        assert cluster.conditions(home, "users")["Ready"]["status"] == "True"
        assert cluster.owned(home) == before
        place(cluster, home, None)
        until(lambda: "Relocated" not in cluster.conditions(home, "users"), "taken back, nothing is said of it")
