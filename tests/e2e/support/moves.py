"""Moves by the command, the pods that read and write meanwhile, and the checks at the end of a move."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.e2e.support import grpc_load
from tests.e2e.support.cluster import Object, Space
from tests.e2e.support.grpc_load import CALLER, behind_walls, declared, pod
from tests.e2e.support.microservices import IMAGES, database, users
from tests.e2e.support.write_load import CHECKER, WRITER, Checker, Taken, Writer, Writes

FREEHOLD = Path(sys.executable).with_name("freehold")
ZONE = "topology.kubernetes.io/zone"
OTHER = {"a": "b", "b": "a"}
STEPS = ("InitialCopy", "CatchingUp", "MovingPods", "SwitchingOver", "Relocated")


def placed(zone: str, **more: Any) -> Object:
    """Return a placement in a zone."""
    return {"nodeSelector": {ZONE: zone}, **more}


def start_users(space: Space) -> None:
    """Apply users in zone a, with a rollback window of one second, and the consumer whose pods write to users."""
    space.apply(users(placement=placed("a", rollbackWindow="1s"), database=database("users", deletionPolicy="Delete")))
    space.apply(declared(("users",)))
    space.until_ready("users")
    space.until(f"configmap/{CALLER}-consumes", lambda live: "users.service-config" in live.get("data", {}))
    grpc_load.start_callers(space, ("users",))


def start_writers(space: Space, zone: str | None = None) -> None:
    """Start two pods of the users image: a consumer that writes, and a pod with the rights of users itself.

    zone: a zone for both, in which the pods are started again."""
    parts = ("uri", "service-config")
    items = [{"key": f"users.{part}", "path": f"users/{part}"} for part in parts]
    bindings = {"name": "bindings", "configMap": {"name": f"{CALLER}-consumes", "items": items}}
    writer = pod(WRITER, behind_walls(space, CALLER), bindings, image=IMAGES["users"])
    pods = (writer, checker(space))
    if zone:
        space.kubectl("delete", "pod", WRITER, CHECKER, "--ignore-not-found", "--timeout=60s")
        for one in pods:
            one["spec"]["nodeSelector"] = {ZONE: zone}
    space.apply(*pods)
    for name in (WRITER, CHECKER):
        space.kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")


def checker(space: Space, binding: str = "users-database") -> Object:
    """Return a pod with the credentials and the labels of users. binding: the Secret with the credentials."""
    variables = {"PGUSER": "username", "PGPASSWORD": "password", "PGDATABASE": "database"}
    secret = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": binding, "key": key}}} for name, key in variables.items()
    ]
    environment = [*secret, {"name": "PGSSLMODE", "value": "require"}]
    return pod(CHECKER, behind_walls(space, "users"), image=IMAGES["users"], env=environment)


def move(space: Space, *options: str, service: str = "users") -> str:
    """Return the output of `freehold move`, which must succeed."""
    done = tried(space, *options, service=service)
    assert done.returncode == 0, f"freehold move {service} {' '.join(options)}\n{done.stdout}{done.stderr}"
    return done.stdout


def tried(space: Space, *options: str, service: str = "users") -> subprocess.CompletedProcess[str]:
    """Run `freehold move`; a failure is the caller's to judge."""
    command = [str(FREEHOLD), "move", service, "-n", space.name, *options]
    environment = space.cluster.stage.environment()
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def primary(space: Space, service: str = "users") -> str:
    """Return the name of the primary without the service's name, like `database-2`."""
    move = space.get(f"microservice/{service}")["status"].get("move", {})
    server: str = move["server"] if move.get("step") == "Relocated" else f"{service}-database"
    return server.removeprefix(f"{service}-")


def zones(space: Space, service: str = "users") -> set[str]:
    """Return the zones of a service's primary and pods."""
    database = space.get(f"pod/{service}-{primary(space, service)}-0")
    nodes = {one["spec"]["nodeName"] for one in (database, *space.pods(service))}
    return {space.get(f"node/{node}")["metadata"]["labels"][ZONE] for node in nodes}


def each_once(space: Space, writes: Writes, emails: Iterable[str]) -> None:
    """Assert that the primary has every acknowledged row once, and that its sequence continues after the last row."""
    where = primary(space)
    rows = space.psql("users", "select id, email from users", where)
    stored = [line.split("|") for line in rows.splitlines()]
    ids, addresses = Counter(one for one, _ in stored), Counter(two for _, two in stored)
    assert not {one for one in (*ids, *addresses) if max(ids[one], addresses[one]) > 1}
    lost = [one for one in (person for _, person in writes.acknowledged) if one not in ids]
    assert not lost, f"{len(lost)} of {len(writes.acknowledged)} acknowledged registrations are gone: {lost[:3]}"
    assert not [email for email in emails if email not in addresses]
    following = "select nextval(pg_get_serial_sequence('users', 'position')) > max(position) from users"
    assert space.psql("users", following, where) == "t"


def switchover_pod(space: Space) -> Object:
    """Return the pod of the present switchover, as soon as the pod exists."""
    space.kubectl("wait", "pod", "-l", "freehold.dev/role=switchover", "--for=create", "--timeout=60s")
    (found,) = space.find("pods", "freehold.dev/role=switchover")
    return found


def reached(space: Space, there: str, step: str, within: float = 180) -> None:
    """Wait until the move to a zone is at a step or past it. A step in small letters is a step of the switchover."""
    if step[0].isupper():
        space.until("microservice/users", at(there, *STEPS[STEPS.index(step) :]), within=within)
        return
    space.until("microservice/users", at(there, "SwitchingOver"), within=within)
    name = switchover_pod(space)["metadata"]["name"]
    space.until(f"pod/{name}", lambda pod: pod["status"]["phase"] != "Pending")
    logs = space.begun("logs", "-f", name)
    try:
        assert any(line.startswith(f"{step}:") for line in logs.stdout or ()), f"the switchover did not reach {step}"
    finally:
        logs.kill()
        logs.wait()


def at(there: str, *steps: str) -> Callable[[Object], bool]:
    """Return a predicate: the last move is to a zone, and at one of these steps."""

    def holds(live: Object) -> bool:
        moved = live["status"].get("move", {})
        return moved.get("step") in steps and moved["to"]["nodeSelector"] == placed(there)["nodeSelector"]

    holds.__doc__ = f"on the way to zone {there} at {' or '.join(steps)}"
    return holds


def ended(space: Space, there: str, writer: Writer, checker: Checker, within: float) -> dict[str, list[Taken]]:
    """Wait for the end of a move to a zone, check zones and rows, and return the rows that each server accepted."""
    space.until("microservice/users", at(there, "Relocated"), within=within)
    space.until_ready("users", within=within)
    writes, taken = writer.writes(), checker.taken()
    assert zones(space) == {there}
    each_once(space, writes, [row.email for listed in taken.values() for row in listed])
    return taken


def until_deleted(space: Space, server: str, within: float) -> None:
    """Wait until the former server and its volume are deleted."""
    space.gone(f"statefulset/users-{server}", within=within)
    space.gone(f"pvc/users-{server.replace('database', 'database-data')}", within=within)


def storage_class(name: str) -> Object:
    """Return a storage class that provisions volumes as the cluster's default class does."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": "rancher.io/local-path",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
