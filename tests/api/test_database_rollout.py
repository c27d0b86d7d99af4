"""A change of the platform restarts one database after the other, in a real API server with tests as controllers."""

from __future__ import annotations

import time
from pathlib import Path

from freehold.core.model.resources import Object

from tests.api import operators
from tests.api.cluster import Cluster, running, until
from tests.api.shop import microservice

NAMES = ("one", "two", "three", "four")
IMAGES = tuple(f"mirror.example/{name}:{{version}}" for name in ("bad", "good"))
DATABASE: Object = {"storage": {"size": "1Gi"}}
QUIET_SECONDS = 2.0
WAITS = "a change of the platform waits for its turn"


def images(cluster: Cluster, home: str) -> dict[str, str]:
    """Return the image of each database server by service."""
    found = {name: cluster.get("StatefulSet", home, f"{name}-database") or {} for name in NAMES}
    return {name: live["spec"]["template"]["spec"]["containers"][0]["image"] for name, live in found.items()}


def changed(cluster: Cluster, home: str, image: str) -> list[str]:
    """Return the services whose database has an image."""
    return [name for name, found in images(cluster, home).items() if found == image.format(version="15")]


def settle(cluster: Cluster, home: str, name: str, *, ready: bool = True) -> None:
    """Write the status of a server, as its controller does after a change of the pod template."""
    live = cluster.get("StatefulSet", home, f"{name}-database") or {}
    image = live["spec"]["template"]["spec"]["containers"][0]["image"]
    before = live["status"].get("currentRevision", "first")
    revisions = {"updateRevision": image, "currentRevision": image if ready else before}
    counts = {"readyReplicas": int(ready), "availableReplicas": int(ready)}
    status = {**running({"kind": "StatefulSet", **live}), **revisions, **counts}
    cluster.patch("StatefulSet", home, f"{name}-database", {"status": status}, "status")


def stays(cluster: Cluster, home: str, image: str, expected: list[str]) -> None:
    """Assert that no other database is changed for a while."""
    time.sleep(QUIET_SECONDS)
    assert changed(cluster, home, image) == expected


def create_all(cluster: Cluster, home: str) -> None:
    """Create the services, and wait until all are Ready."""
    for name in NAMES:
        cluster.create(microservice(home, name, database=DATABASE))
    for name in NAMES:
        cluster.ready(home, name)


def wait_changed(cluster: Cluster, home: str, image: str, count: int) -> list[str]:
    """Wait until this many databases have an image, and return their services."""
    return until(
        lambda: found if len(found := changed(cluster, home, image)) >= count else None,
        lambda: f"{count} databases have the image: {images(cluster, home)}",
    )


def test_database_rollout_one_at_a_time(cluster: Cluster, home: str, tmp_path: Path) -> None:
    """Databases are changed one by one, also by another operator; an owner's edit does not wait for them."""
    log, (_, image) = tmp_path / "log", IMAGES
    with operators.running(cluster.kubeconfig, log, home):
        create_all(cluster, home)
    with operators.running(cluster.kubeconfig, log, home, postgresql=image):
        first = wait_changed(cluster, home, image, 1)
        waiting = [name for name in NAMES if name not in first]
        for name in waiting:
            until(
                lambda name=name: WAITS in cluster.conditions(home, name)["DatabaseReady"]["message"],  # type: ignore[misc]
                f"{name} says that it waits",
            )
        stays(cluster, home, image, first)
        edit = {"spec": {"database": {"limits": {"connections": 33}}}}
        cluster.patch("Microservice", home, waiting[0], edit)
        both = sorted([*first, waiting[0]], key=NAMES.index)
        until(lambda: changed(cluster, home, image) == both, "the edit of an owner does not wait")
        settle(cluster, home, waiting[0])
        stays(cluster, home, image, both)
    with operators.running(cluster.kubeconfig, log, home, postgresql=image):
        stays(cluster, home, image, both)
        settle(cluster, home, first[0])
        third = wait_changed(cluster, home, image, 3)
        stays(cluster, home, image, third)
        (last,) = set(third) - set(both)
        settle(cluster, home, last)
        wait_changed(cluster, home, image, 4)
        for name in NAMES:
            cluster.ready(home, name)


def test_database_rollout_stops(cluster: Cluster, home: str, tmp_path: Path) -> None:
    """A bad image takes one database down; the corrected one reaches that one first, and then the others."""
    log, (bad, good) = tmp_path / "log", IMAGES
    with operators.running(cluster.kubeconfig, log, home):
        create_all(cluster, home)
        settle(cluster, home, "four", ready=False)  # down for reasons of its own
    with operators.running(cluster.kubeconfig, log, home, postgresql=bad):
        down = wait_changed(cluster, home, bad, 2)
        assert "four" in down, "what is down already loses nothing"
        (victim,) = set(down) - {"four"}
        settle(cluster, home, victim, ready=False)
        stays(cluster, home, bad, down)
        said = "other databases wait for this one"
        until(lambda: said in cluster.conditions(home, victim)["DatabaseReady"]["message"], f"{victim} says so")
    with operators.running(cluster.kubeconfig, log, home, postgresql=good):
        until(lambda: victim in changed(cluster, home, good), "the corrected image reaches the one that is down")
        stays(cluster, home, good, down)
        settle(cluster, home, victim)
        for count in (3, 4):
            for name in wait_changed(cluster, home, good, count):
                settle(cluster, home, name)
