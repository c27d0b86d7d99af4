"""Moves between zones in a real API server, with the tests in place of the controllers: every object is accepted, and
a move completes although the operator is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from freehold.core.model.resources import Object

from tests.api import operators
from tests.api.cluster import Cluster, until
from tests.api.proxy import Proxy
from tests.api.shop import microservice, no_more, place
from tests.api.switchovers import DATABASE, IMAGE, killed_after, leads_to, switched

A, B = ({"nodeSelector": {"topology.kubernetes.io/zone": zone}} for zone in "ab")
FREEHOLD = Path(sys.executable).with_name("freehold")
POINTS, SLICE = (1, 2, 4, 6, 7, 8, 9, 10, 12), (2, 7, 10)
"""The writes of a move after which the operator is killed, and the slice of every run."""


def moved(cluster: Cluster, namespace: str, server: str) -> Object:
    """Wait until a server is the primary, in place of the controllers; return the resource."""

    def look() -> Object | None:
        cluster.run(namespace)
        switched(cluster, namespace)
        said = cluster.conditions(namespace, "users").get("Relocated", {})
        live = cluster.get("Microservice", namespace, "users") or {}
        there = said.get("reason") == "Relocated" and live["status"]["move"]["server"] == server
        settled = said.get("observedGeneration") == live["metadata"]["generation"]
        return live if there and settled and leads_to(cluster, namespace) == f"{server}-0" else None

    return until(look, lambda: f"users stands on {server}: {cluster.conditions(namespace, 'users').get('Relocated')}")


def test_moves_there_and_back(cluster: Cluster, home: str, tmp_path: Path) -> None:
    """A move to another zone and its rollback complete, and all their objects are accepted."""
    with operators.running(cluster.kubeconfig, tmp_path / "log", home, image=IMAGE):
        cluster.create(microservice(home, database=DATABASE, placement=A))
        cluster.ready(home)
        before = cluster.get("StatefulSet", home, "users-database") or {}
        place(cluster, home, B)
        live = moved(cluster, home, "users-database-2")
        assert live["status"]["move"]["from"]["nodeSelector"] == A["nodeSelector"]
        assert live["status"]["move"]["writePauseMs"] == 210
        second = cluster.get("StatefulSet", home, "users-database-2") or {}
        assert second["metadata"]["generation"] == 1, "the server that took over was never made anew"
        left = cluster.get("StatefulSet", home, "users-database") or {}
        assert left["metadata"]["generation"] == before["metadata"]["generation"] + 1, "the way back follows it"
        claim = cluster.get("PersistentVolumeClaim", home, "users-database-data-2") or {}
        assert claim["metadata"]["annotations"]["freehold.dev/epoch"] == "2"

        place(cluster, home, A)
        moved(cluster, home, "users-database")
        place(cluster, home, {**A, "rollbackWindow": "1s"})
        gone = ("StatefulSet users-database-2", "StatefulSet users-database-proxy")
        until(lambda: not set(gone) & cluster.owned(home).keys(), "what is not needed any more goes", seconds=30)
        assert "PersistentVolumeClaim users-database-data-2" in cluster.owned(home), "with Retain the volume stays"


def test_moves_aborted(cluster: Cluster, home: str, tmp_path: Path) -> None:
    """An edit that is reverted before the switchover deletes the second server."""
    with operators.running(cluster.kubeconfig, tmp_path / "log", home, image=IMAGE):
        cluster.create(microservice(home, database=DATABASE, placement=A))
        cluster.ready(home)
        cluster.patch("Microservice", home, "users", {"metadata": {"annotations": {"freehold.dev/move": "Paused"}}})
        place(cluster, home, B)
        cluster.says(home, "users", "Relocated", "MovePaused")
        assert "StatefulSet users-database-2" not in cluster.owned(home)
        cluster.patch("Microservice", home, "users", {"metadata": {"annotations": {"freehold.dev/move": None}}})
        over = {"StatefulSet users-database-2", "StatefulSet users-database-proxy"}
        until(lambda: over <= cluster.owned(home).keys(), "the copy begins")  # it does not run, so that none switches
        place(cluster, home, A)

        def left() -> bool:
            cluster.run(home)
            claim = cluster.get("PersistentVolumeClaim", home, "users-database-data-2")
            # No controller removes a claim's protection here.
            return not over & cluster.owned(home).keys() and (not claim or "deletionTimestamp" in claim["metadata"])

        until(left, "the copy goes, and its volume, which never owned the data")
        assert leads_to(cluster, home) == "users-database-0"


def test_moves_blocked_by_quota(cluster: Cluster, home: str, tmp_path: Path) -> None:
    """A quota without room for a second server is reported, and no object changes."""
    with operators.running(cluster.kubeconfig, tmp_path / "log", home, image=IMAGE):
        cluster.create(microservice(home, database=DATABASE, placement=A))
        cluster.ready(home)
        no_more(cluster, home, "persistentvolumeclaims", 1)
        place(cluster, home, B)
        said = cluster.says(home, "users", "Relocated", "MoveBlocked")
        assert "exceeded quota" in said["message"], said
        assert cluster.conditions(home, "users")["Ready"]["status"] == "True"
        assert "StatefulSet users-database-proxy" not in cluster.owned(home)


def test_moves_waits_for_backup(cluster: Cluster, home: str, tmp_path: Path) -> None:
    """A move that requires a recent backup waits for the annotation."""

    def backed_up(ago: timedelta) -> None:
        made = (datetime.now(UTC) - ago).isoformat(timespec="seconds")
        cluster.patch(
            "Microservice", home, "users", {"metadata": {"annotations": {"freehold.dev/last-backup-at": made}}}
        )

    with operators.running(cluster.kubeconfig, tmp_path / "log", home, image=IMAGE):
        cluster.create(microservice(home, database=DATABASE, placement=A))
        cluster.ready(home)
        backed_up(timedelta(hours=2))
        place(cluster, home, {**B, "maxBackupAge": "1h"})
        said = cluster.says(home, "users", "Relocated", "MoveBlocked")
        assert f"kubectl annotate microservice users -n {home} freehold.dev/last-backup-at=" in said["message"]
        assert not {"StatefulSet users-database-2", "StatefulSet users-database-proxy"} & cluster.owned(home).keys()
        backed_up(timedelta())
        over = {"StatefulSet users-database-2", "StatefulSet users-database-proxy"}
        until(lambda: over <= cluster.owned(home).keys(), "the copy begins, for the word of the backup was seen")


def test_moves_command(cluster: Cluster, home: str, tmp_path: Path) -> None:
    """`freehold move` follows a move to its end and rolls it back."""
    command = [FREEHOLD, "move", "users", "-n", home, f"--kubeconfig={cluster.kubeconfig}"]

    def follow(*options: str, to: str) -> list[str]:
        with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as following:
            moved(cluster, home, to)
            said, _ = following.communicate(timeout=30)
            assert following.returncode == 0, said
        return [line.rpartition(" until ")[0] or line for line in said.splitlines()]

    with operators.running(cluster.kubeconfig, tmp_path / "log", home, image=IMAGE):
        cluster.create(microservice(home, database=DATABASE, placement=A))
        cluster.ready(home)
        switched = "  ✓ switched over  writes paused 0.21 s"
        kept = "  … rollback       possible"
        assert follow("--zone", "b", to="users-database-2")[-2:] == [switched, kept]
        assert follow("--rollback", to="users-database")[-2:] == [switched, kept]
        again = subprocess.run([*command, "--zone", "a", "-o", "json"], capture_output=True, text=True, check=True)
        assert json.loads(again.stdout)["step"] == "Relocated"
        assert again.stderr == "Note: users is at its destination already\n"


@pytest.mark.parametrize("writes", [n if n in SLICE else pytest.param(n, marks=pytest.mark.campaign) for n in POINTS])
def test_moves_operator_killed(cluster: Cluster, proxy: Proxy, tmp_path: Path, writes: int) -> None:
    """An operator killed after a write of a move is followed by one that completes the move."""
    home, log = cluster.namespace(f"move-killed-{writes}"), tmp_path / "log"
    with operators.running(proxy.kubeconfig, log, home, image=IMAGE):
        cluster.create(microservice(home, database=DATABASE, placement=A))
        cluster.ready(home)
    place(cluster, home, B)
    killed_after(cluster, proxy, log, writes, home)
    with operators.running(proxy.kubeconfig, log, home, image=IMAGE):
        moved(cluster, home, "users-database-2")
    claims = {live["metadata"]["name"]: live for live in cluster.list("PersistentVolumeClaim", home)}
    turns = {name: claim["metadata"].get("annotations", {}).get("freehold.dev/epoch") for name, claim in claims.items()}
    assert turns == {"users-database-data": None, "users-database-data-2": "2"}
