"""A service goes to another cluster, and back: two real API servers, an operator at each, and what they see of the
other through a kubeconfig in a Secret; the clusters' controllers and kubelets played.
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
from tests.api.neighbours import introduce, pod
from tests.api.proxy import Proxy
from tests.api.shop import microservice, place
from tests.api.switching import DATABASE, IMAGE, claim, seated, switched

CAMPAIGN = pytest.mark.campaign
POINTS = [("west", writes) for writes in (20, 24, 26, 28, 30, 32, 34)] + [("east", writes) for writes in (2, 4, 6, 8)]
"""The side whose operator is killed, and after which of its writes."""
SLICE = (("west", 28), ("east", 4))
POINTED = "EndpointSlice users-remote"
SERVERS = "EndpointSlice users-database-remote"


class Both:
    """The same namespace in both clusters: in `east` the service stands at first."""

    def __init__(self, east: Cluster, west: Cluster, home: str) -> None:
        self.east, self.west, self.home = east, west, home

    def play(self) -> None:
        """The controllers of both, a pod for each server, and one for each service that is to run."""
        for number, cluster in enumerate((self.east, self.west), start=1):
            cluster.run(self.home)
            switched(cluster, self.home)
            pod(cluster, self.home, "StatefulSet", "users-database", f"10.{number}.0.5")
            pod(cluster, self.home, "Deployment", "users", f"10.{number}.0.6")
            pod(cluster, self.home, "Deployment", "payments", f"10.{number}.0.7")

    def stands(self, one: Cluster) -> Object:
        """Wait until the data and the name are there; the resource there."""

        def look() -> Object | None:
            self.play()
            return seated(one, self.home, *((cluster, self.home) for cluster in self.each))

        return until(look, lambda: f"users stands there: {[c.conditions(self.home, 'users') for c in self.each]}")

    @property
    def each(self) -> tuple[Cluster, Cluster]:
        return self.east, self.west


def certify(one: Cluster, other: Cluster, *, alike: bool) -> None:
    """The other cluster has the same certificate authority as the one, or none yet."""
    where = ("Secret", "freehold-system", "freehold-ca")
    secret = until(lambda: one.get(*where), "the authority is there")
    if other.get(*where):
        other.delete(*where)
    if alike:
        metadata = {"name": "freehold-ca", "namespace": "freehold-system"}
        other.create({"kind": "Secret", "type": secret["type"], "metadata": metadata, "data": secret["data"]})


@contextmanager
def both(east: Cluster, west: Cluster, home: str, folder: Path, *, trusting: bool = True) -> Iterator[Both]:
    """An operator in each, users in the first, and each knows the other."""
    west.namespace(home)
    introduce(east, home, "west", west.kubeconfig)
    introduce(west, home, "east", east.kubeconfig)
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
    """The component of the pods that the name leads to."""
    live = cluster.get("Service", home, "users") or {}
    return str(live["spec"]["selector"]["app.kubernetes.io/component"])


def attached(cluster: Cluster, home: str) -> bool:
    """Whether the name leads to the other cluster's pods."""
    return "kubernetes.io/service-name" in cluster.owned(home)[POINTED]["metadata"]["labels"]


def blocks(cluster: Cluster, home: str, policy: str, way: str) -> set[str]:
    """The addresses that a wall names."""
    found = cluster.owned(home)[f"NetworkPolicy {policy}"]["spec"].get(way, [])
    peers = [peer for rule in found for peer in rule.get("from" if way == "ingress" else "to", [])]
    return {peer["ipBlock"]["cidr"] for peer in peers if "ipBlock" in peer and peer["ipBlock"]["cidr"][:2] == "10"}


@pytest.mark.parametrize(
    ("kubeconfig", "message"),
    [
        (None, "Secret west with the kubeconfig does not exist"),
        ("", "has no current-context with its cluster and user"),
        (
            """{current-context: x, contexts: [{name: x, context: {cluster: x, user: x}}],
            clusters: [{name: x, cluster: {server: "https://192.0.2.1"}}],
            users: [{name: x, user: {exec: {command: id}}}]}""",
            "the kubeconfig's user has exec, which is refused; use only client-certificate-data",
        ),
    ],
    ids=["none", "empty", "a plugin"],
)
def test_a_kubeconfig_of_no_use_changes_nothing(
    cluster: Cluster, home: str, tmp_path: Path, kubeconfig: str | None, message: str
) -> None:
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


def test_an_operator_that_starts_while_the_other_cluster_is_away_changes_nothing(
    cluster: Cluster, second: Cluster, home: str, tmp_path: Path
) -> None:
    with both(cluster, second, home, tmp_path) as two:
        second.create(microservice(home, database=DATABASE, placement={"fromCluster": "east"}))
        place(cluster, home, {"cluster": "west"})
        two.stands(second)
        until(lambda: selected(cluster, home) == "abroad", "the name leads there")
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


def test_what_is_said_of_a_move_says_so_when_nothing_is_heard_of_the_other_cluster(
    cluster: Cluster, home: str, tmp_path: Path
) -> None:
    with ExitStack() as ends:
        server = ends.enter_context(ApiServer())
        west = prepared(server)
        west.namespace(home)
        introduce(cluster, home, "west", west.kubeconfig)
        ends.enter_context(operators.running(cluster.kubeconfig, tmp_path / "log", home, image=IMAGE))
        cluster.create(microservice(home, database=DATABASE))
        cluster.ready(home)
        place(cluster, home, {"cluster": "west"})
        said = cluster.says(home, "users", "Relocated", "MoveBlocked")
        assert "there is no Microservice users in cluster west to take it over" in said["message"]
        server.__exit__(None, None, None)

        def told() -> bool:
            message = cluster.conditions(home, "users")["Relocated"]["message"]
            return "; as last seen, for nothing is heard of cluster west: the API server does not answer" in message

        until(told, lambda: str(cluster.conditions(home, "users")))
        assert cluster.conditions(home, "users")["Ready"]["status"] == "True"


def test_two_authorities_are_told_apart_before_anything_is_copied(
    cluster: Cluster, second: Cluster, home: str, tmp_path: Path
) -> None:
    with both(cluster, second, home, tmp_path, trusting=False):
        second.create(microservice(home, database=DATABASE, placement={"fromCluster": "east"}))
        place(cluster, home, {"cluster": "west"})
        for one in (cluster, second):
            said = one.says(home, "users", "Relocated", "MoveBlocked")
            assert "trusts another certificate authority" in said["message"]
        assert "StatefulSet users-database" not in second.owned(home)


@pytest.mark.parametrize(("side", "writes"), [p if p in SLICE else pytest.param(*p, marks=CAMPAIGN) for p in POINTS])
def test_an_operator_killed_after_a_write_is_taken_over_from(
    cluster: Cluster, second: Cluster, tmp_path: Path, side: str, writes: int
) -> None:
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
            until(lambda: selected(cluster, home) == "abroad", "the name leads there")
    left, taken = claim(cluster, home), claim(second, home)
    assert (left["epoch"], taken["epoch"]) == ("1", "2")
    assert left["data-moved-to"] == f"{home}@west"


def test_the_data_goes_to_another_cluster_and_comes_back(
    cluster: Cluster, second: Cluster, home: str, tmp_path: Path
) -> None:
    with both(cluster, second, home, tmp_path) as two:
        east, west = two.each
        west.create(microservice(home, database=DATABASE, placement={"fromCluster": "east"}))
        said = west.says(home, "users", "DatabaseReady", "WaitingForConsent")
        assert f"the data of {home}@east/users" in said["message"]
        place(east, home, {"cluster": "west"})
        live = two.stands(west)

        assert live["status"]["move"]["from"]["namespace"] == f"{home}@east"
        assert live["status"]["replaces"] == f"{home}@east"
        until(lambda: selected(east, home) == "abroad", "none of the pods here is behind the name any more")
        points = east.owned(home)[POINTED]
        assert attached(east, home)
        assert [point["addresses"] for point in points["endpoints"]] == [["10.2.0.6"]]
        (server,) = east.owned(home)[SERVERS]["endpoints"]
        assert (server["hostname"], server["addresses"]) == ("users-database-0-remote", ["10.2.0.5"])
        assert blocks(east, home, "payments", "egress") == {"10.2.0.6/32"}, "consumers reach where the name leads"
        assert blocks(west, home, "users-database", "ingress") == {"10.1.0.5/32"}
        assert blocks(west, home, "users", "ingress") == {"10.1.0.7/32"}, "and are let in there, address by address"
        made, kept = (one.get("Secret", home, "users-database-server") or {} for one in two.each)
        assert made["data"] == kept["data"], "the roles came along"

        place(east, home, None)
        two.stands(east)
        assert selected(east, home) == "service"
        until(lambda: POINTED not in east.owned(home) or not attached(east, home), "and nobody there")
