"""Moves between clusters, with two real API servers and an operator at each, which reads the other cluster, which
is registered, by a token in a Secret. The tests act in place of the clusters' controllers and kubelets.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from freehold.core.model.resources import Object

from localcluster.apiserver import ApiServer
from tests.api import operators
from tests.api.cluster import Cluster, until
from tests.api.conftest import prepared
from tests.api.proxy import Proxy
from tests.api.remote_cluster import introduce, pod, register
from tests.api.shop import microservice, place
from tests.api.switchovers import DATABASE, IMAGE, claim, completed_move, switched

CAMPAIGN = pytest.mark.campaign
POINTS = [("west", writes) for writes in (20, 24, 26, 28, 30, 32, 34)] + [("east", writes) for writes in (2, 4, 6, 8)]
"""The side of the killed operator, and the number of writes before."""
SLICE = (("west", 28), ("east", 4))
POINTED = "EndpointSlice users-remote"
SERVERS = "EndpointSlice users-database-remote"


class Both:
    """The same namespace in both clusters; the service starts in `east`."""

    def __init__(self, east: Cluster, west: Cluster, home: str) -> None:
        self.east, self.west, self.home = east, west, home

    def play(self) -> None:
        """Act in place of both clusters' controllers, with a pod for each database server and each running service."""
        for number, cluster in enumerate((self.east, self.west), start=1):
            cluster.run(self.home)
            switched(cluster, self.home)
            pod(cluster, self.home, "StatefulSet", "users-database", f"10.{number}.0.5")
            pod(cluster, self.home, "Deployment", "users", f"10.{number}.0.6")
            pod(cluster, self.home, "Deployment", "payments", f"10.{number}.0.7")

    def stands(self, one: Cluster) -> Object:
        """Wait until data and endpoint are in a cluster; return the resource there."""

        def look() -> Object | None:
            self.play()
            return completed_move(one, self.home, *((cluster, self.home) for cluster in self.each))

        return until(look, lambda: f"users stands there: {[c.conditions(self.home, 'users') for c in self.each]}")

    @property
    def each(self) -> tuple[Cluster, Cluster]:
        return self.east, self.west


def certify(one: Cluster, other: Cluster, *, alike: bool) -> None:
    """Give the other cluster the same certificate authority, or none."""
    where = ("Secret", "freehold-system", "freehold-ca")
    secret = until(lambda: one.get(*where), "the authority is there")
    if other.get(*where):
        other.delete(*where)
    if alike:
        metadata = {"name": "freehold-ca", "namespace": "freehold-system"}
        other.create({"kind": "Secret", "type": secret["type"], "metadata": metadata, "data": secret["data"]})


@contextmanager
def both(east: Cluster, west: Cluster, home: str, folder: Path, *, trusting: bool = True) -> Iterator[Both]:
    """Run an operator in each cluster, with users in the first and each cluster linked to the other."""
    west.namespace(home)
    register(east, "10.2.0.0/16", west=west)
    register(west, "10.1.0.0/16", east=east)
    introduce(east, home, "west", west)
    introduce(west, home, "east", east)
    with ExitStack() as ends:
        ends.enter_context(operators.running(east.kubeconfig, folder / "east", home, image=IMAGE))
        certify(east, west, alike=trusting)
        ends.enter_context(operators.running(west.kubeconfig, folder / "west", home, image=IMAGE))
        east.create(microservice(home, database=DATABASE))
        east.create(microservice(home, "payments", consumes=[{"name": "users"}]))
        east.ready(home)
        yield Both(east, west, home)
    for log in ("east", "west"):
        text = (folder / log).read_text()
        assert "Traceback" not in text, text


def selected(cluster: Cluster, home: str) -> str:
    """Return the component that the endpoint's Service selects."""
    live = cluster.get("Service", home, "users") or {}
    return str(live["spec"]["selector"]["app.kubernetes.io/component"])


def attached(cluster: Cluster, home: str) -> bool:
    """Whether the endpoint leads to the other cluster's pods."""
    return "kubernetes.io/service-name" in cluster.owned(home)[POINTED]["metadata"]["labels"]


def blocks(cluster: Cluster, home: str, policy: str, way: str) -> set[str]:
    """Return the remote addresses of a network policy."""
    found = cluster.owned(home)[f"NetworkPolicy {policy}"]["spec"].get(way, [])
    peers = [peer for rule in found for peer in rule.get("from" if way == "ingress" else "to", [])]
    return {peer["ipBlock"]["cidr"] for peer in peers if "ipBlock" in peer and peer["ipBlock"]["cidr"][:2] == "10"}


def test_clusters_start_while_remote_absent(cluster: Cluster, second: Cluster, home: str, tmp_path: Path) -> None:
    """An operator that starts without the remote cluster keeps the objects of a moved service unchanged."""
    with both(cluster, second, home, tmp_path) as two:
        second.create(microservice(home, database=DATABASE, placement={"fromCluster": "east"}))
        place(cluster, home, {"cluster": "west"})
        two.stands(second)
        until(lambda: selected(cluster, home) == "remote", "the name leads there")
        until(lambda: blocks(cluster, home, "payments", "egress"), "and its consumers reach there")
    before = cluster.owned(home)
    cluster.delete("Secret", home, "west")
    with operators.running(cluster.kubeconfig, tmp_path / "east", home, image=IMAGE):
        cluster.says(home, "users", "Relocated", "ClusterUnknown")
        cluster.create(microservice(home, "other"))
        until(lambda: "Deployment other" in cluster.owned(home), "it works for all others")
        cluster.patch("Microservice", home, "payments", {"spec": {"replicas": 2}})
        until(lambda: cluster.owned(home)["Deployment payments"]["spec"]["replicas"] == 2, "for consumers too")
        after = cluster.owned(home)
    assert {what: after[what] for what in before if "payments" not in what} == {
        what: live for what, live in before.items() if "payments" not in what
    }
    assert blocks(cluster, home, "payments", "egress") == {"10.2.0.6/32"}


def test_clusters_remote_silent(cluster: Cluster, home: str, tmp_path: Path) -> None:
    """The condition of a move mentions that the remote cluster does not answer."""
    with ExitStack() as ends:
        server = ends.enter_context(ApiServer())
        west = prepared(server)
        west.namespace(home)
        register(cluster, west=west)
        introduce(cluster, home, "west", west)
        ends.enter_context(operators.running(cluster.kubeconfig, tmp_path / "log", home, image=IMAGE))
        cluster.create(microservice(home, database=DATABASE))
        cluster.ready(home)
        place(cluster, home, {"cluster": "west"})
        said = cluster.says(home, "users", "Relocated", "MoveBlocked")
        assert "cluster west has no Microservice users; apply one" in said["message"]
        server.__exit__(None, None, None)

        def told() -> bool:
            message = cluster.conditions(home, "users")["Relocated"]["message"]
            return "; as last seen, without a view of cluster west: the API server does not answer" in message

        until(told, lambda: str(cluster.conditions(home, "users")))
        assert cluster.conditions(home, "users")["Ready"]["status"] == "True"


def test_clusters_different_authorities(cluster: Cluster, second: Cluster, home: str, tmp_path: Path) -> None:
    """Clusters with different certificate authorities are reported before anything is copied."""
    with both(cluster, second, home, tmp_path, trusting=False):
        second.create(microservice(home, database=DATABASE, placement={"fromCluster": "east"}))
        place(cluster, home, {"cluster": "west"})
        for one in (cluster, second):
            said = one.says(home, "users", "Relocated", "MoveBlocked")
            assert "trusts another certificate authority" in said["message"]
        assert "StatefulSet users-database" not in second.owned(home)


@pytest.mark.parametrize(("side", "writes"), [p if p in SLICE else pytest.param(*p, marks=CAMPAIGN) for p in POINTS])
def test_clusters_operator_killed(cluster: Cluster, second: Cluster, tmp_path: Path, side: str, writes: int) -> None:
    """An operator killed after a write of a move between clusters is followed by one that completes the move."""
    home = cluster.namespace(f"cluster-killed-{side}-{writes}")
    with both(cluster, second, home, tmp_path):
        pass
    second.create(microservice(home, database=DATABASE, placement={"fromCluster": "east"}))
    place(cluster, home, {"cluster": "west"})
    two = Both(cluster, second, home)
    sides = {"east": cluster, "west": second}
    other = "west" if side == "east" else "east"
    proxy = Proxy(sides[side].kubeconfig, tmp_path)
    with operators.running(sides[other].kubeconfig, tmp_path / other, home, image=IMAGE):
        killed = operators.start(proxy.kubeconfig, tmp_path / side, home, image=IMAGE)
        proxy.cut_after(writes, killed.process.kill)
        until(lambda: two.play() or killed.process.exitcode is not None, f"it is killed after {writes} writes")
        with operators.running(sides[side].kubeconfig, tmp_path / side, home, image=IMAGE):
            two.stands(second)
            until(lambda: selected(cluster, home) == "remote", "the name leads there")
    left, taken = claim(cluster, home), claim(second, home)
    assert (left["epoch"], taken["epoch"]) == ("1", "2")
    assert left["data-moved-to"] == f"{home}@west"


def test_clusters_move_and_rollback(cluster: Cluster, second: Cluster, home: str, tmp_path: Path) -> None:
    """A database moves to another cluster and back, and endpoint, network policies and roles follow."""
    with both(cluster, second, home, tmp_path) as two:
        east, west = two.each
        west.create(microservice(home, database=DATABASE, placement={"fromCluster": "east"}))
        said = west.says(home, "users", "DatabaseReady", "WaitingForConsent")
        assert f"the data of {home}@east/users" in said["message"]
        place(east, home, {"cluster": "west"})
        live = two.stands(west)

        assert live["status"]["move"]["from"]["namespace"] == f"{home}@east"
        assert live["status"]["replaces"] == f"{home}@east"
        until(lambda: selected(east, home) == "remote", "none of the pods here is behind the name any more")
        points = east.owned(home)[POINTED]
        assert attached(east, home)
        assert [point["addresses"] for point in points["endpoints"]] == [["10.2.0.6"]]
        (server,) = east.owned(home)[SERVERS]["endpoints"]
        assert (server["hostname"], server["addresses"]) == ("users-database-0-remote", ["10.2.0.5"])
        assert blocks(east, home, "payments", "egress") == {"10.2.0.6/32"}, "consumers reach where the name leads"
        assert blocks(west, home, "users-database", "ingress") == {"10.1.0.5/32"}
        assert blocks(west, home, "users", "ingress") == {"10.1.0.7/32"}, "and are let in there, address by address"
        made, kept = (one.get("Secret", home, "users-database-server") or {} for one in two.each)
        assert all(made["data"][r] == kept["data"][r] for r in ("app", "owner", "replicator")), "the roles came along"
        assert made["data"]["postgres"] != kept["data"]["postgres"], "and the superuser's password did not"

        place(east, home, None)
        two.stands(east)
        assert selected(east, home) == "service"
        until(lambda: POINTED not in east.owned(home) or not attached(east, home), "and nobody there")
