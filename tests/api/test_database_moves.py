"""Moves of a database between namespaces in a real API server, with the tests in place of the controllers."""

from __future__ import annotations

from pathlib import Path

import pytest
from freehold.core.model.resources import Object

from tests.api import operators
from tests.api.cluster import Cluster, until
from tests.api.proxy import Proxy
from tests.api.shop import microservice, place
from tests.api.switchovers import DATABASE, IMAGE, claim, completed_move, killed_after, switched

POINTS, SLICE = (20, 24, 26, 28, 30, 32, 34, 36), (26, 34)
"""The writes of a move after which the operator is killed, from the first after the destination's volume, and the slice
of every run."""


def move(cluster: Cluster, home: str, away: str) -> None:
    """Declare the move on both sides."""
    cluster.create(microservice(away, database=DATABASE, placement={"from": home}))
    place(cluster, home, {"namespace": away})


def stands(cluster: Cluster, one: str, other: str) -> Object:
    """Wait until data and endpoint are in a namespace, in place of the controllers; return the resource there."""
    sides = (one, other)

    def look() -> Object | None:
        for namespace in sides:
            cluster.run(namespace)
            switched(cluster, namespace)
        return completed_move(cluster, one, *((cluster, namespace) for namespace in sides))

    return until(look, lambda: f"users stands in {one}: {[cluster.conditions(side, 'users') for side in sides]}")


def _spec(cluster: Cluster, namespace: str) -> Object:
    """Return the spec of the endpoint's Service."""
    found: Object = (cluster.get("Service", namespace, "users") or {})["spec"]
    return found


def _data(cluster: Cluster, secret: tuple[str, str, str]) -> dict[str, str]:
    found: dict[str, str] = (cluster.get(*secret) or {})["data"]
    return found


def test_database_moves_move_and_rollback(cluster: Cluster, home: str, tmp_path: Path) -> None:
    """A database moves to another namespace and back, with its roles."""
    away = cluster.namespace(f"{home[:45]}-away")
    with operators.running(cluster.kubeconfig, tmp_path / "log", home, away, image=IMAGE):
        cluster.create(microservice(home, database=DATABASE))
        cluster.ready(home)
        before = cluster.get("StatefulSet", home, "users-database") or {}
        move(cluster, home, away)
        live = stands(cluster, away, home)

        assert live["status"]["move"]["writePauseMs"] == 210
        assert live["status"]["move"]["from"]["namespace"] == home
        assert (claim(cluster, away)["epoch"], claim(cluster, home)["data-moved-to"]) == ("2", away)
        there = f"users.{away}.svc.cluster.local"
        until(lambda: _spec(cluster, home).get("externalName") == there, "the old name is an alias")
        left = cluster.get("StatefulSet", home, "users-database") or {}
        assert left["metadata"]["generation"] == before["metadata"]["generation"] + 1, "the way back follows it"
        made, kept = (cluster.get("Secret", n, "users-database-server") or {} for n in (away, home))
        assert all(made["data"][r] == kept["data"][r] for r in ("app", "owner", "replicator")), "the roles came along"
        assert made["data"]["postgres"] != kept["data"]["postgres"], "and the superuser's password did not"

        place(cluster, home, None)
        stands(cluster, home, away)
        assert (claim(cluster, home)["epoch"], claim(cluster, away)["data-moved-to"]) == ("3", home)
        assert _spec(cluster, home)["clusterIP"] == "None"


def test_database_moves_aborted(cluster: Cluster, home: str, tmp_path: Path) -> None:
    """An edit that is reverted before the switchover leaves no server, no path and no password at the destination."""
    away, secret = cluster.namespace(f"{home[:45]}-away"), ("Secret", home, "users-database-server")
    with operators.running(cluster.kubeconfig, tmp_path / "log", home, away, image=IMAGE):
        cluster.create(microservice(home, database=DATABASE))
        cluster.ready(home)
        before, server = (cluster.get(*one) or {} for one in (secret, ("StatefulSet", home, "users-database")))
        move(cluster, home, away)
        until(lambda: "StatefulSet users-database" in cluster.owned(away), "the copy begins")
        lent = (cluster.get("Secret", away, "users-database-server") or {})["data"]
        assert lent["replicator"] == before["data"]["replicator"]
        assert not {"app", "owner"} & lent.keys() and lent["postgres"] != before["data"]["postgres"]
        place(cluster, home, None)
        until(lambda: "StatefulSet users-database" not in cluster.owned(away), "and goes")
        said = cluster.says(away, "users", "DatabaseReady", "WaitingForConsent")
        assert f"waits for the data of {home}/users, and creates none of its own" in said["message"]
        assert cluster.ready(home)
        assert not {"epoch", "data-moved-to"} & claim(cluster, home).keys()
        until(lambda: _data(cluster, secret)["replicator"] != lent["replicator"], "the password it knew is changed")
        assert {r: v for r, v in _data(cluster, secret).items() if r != "replicator"} == {
            r: v for r, v in before["data"].items() if r != "replicator"
        }
        policy = cluster.get("NetworkPolicy", home, "users-database") or {}
        assert away not in str(policy["spec"])
        after = cluster.get("StatefulSet", home, "users-database") or {}
        assert after["metadata"]["generation"] == server["metadata"]["generation"], "and nothing restarts"


@pytest.mark.parametrize("writes", [n if n in SLICE else pytest.param(n, marks=pytest.mark.campaign) for n in POINTS])
def test_database_moves_operator_killed(cluster: Cluster, proxy: Proxy, tmp_path: Path, writes: int) -> None:
    """An operator killed after a write of a move between namespaces is followed by one that completes the move."""
    home, away = (cluster.namespace(f"pair-killed-{writes}-{side}") for side in ("home", "away"))
    log = tmp_path / "log"
    with operators.running(proxy.kubeconfig, log, home, away, image=IMAGE):
        cluster.create(microservice(home, database=DATABASE))
        cluster.ready(home)
    move(cluster, home, away)
    killed_after(cluster, proxy, log, writes, home, away)
    with operators.running(proxy.kubeconfig, log, home, away, image=IMAGE):
        stands(cluster, away, home)
    assert (claim(cluster, away)["epoch"], claim(cluster, home)["data-moved-to"]) == ("2", away)
