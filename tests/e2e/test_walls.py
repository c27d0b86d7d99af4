"""Reachability by connection attempts from every pod: every ordered pair, on every port, against the declarations."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.support.cluster import Object, Space
from tests.e2e.support.connection_attempts import Target, reached, stranger
from tests.e2e.support.microservices import IMAGES, database, users

LISTEN = ["/opt/users/bin/python", "-m", "http.server", "8080"]
SERVICES = ("users", "payments", "storefront")
DATABASES = ("users", "payments")
COMPONENTS = {"users": "service", "users-database": "database"}
ROUNDS = 20_000
"""More rounds than the deletion of a service takes; a bound for the unmanaged pod."""
STRANGER, IMPOSTOR = "stranger", "impostor"


@pytest.fixture
def outsiders(shop: Space, spaces: Callable[..., Space]) -> Iterator[dict[str, tuple[Space, str]]]:
    """An unmanaged pod in the shop's namespace, and in another namespace a pod with the storefront's labels."""
    elsewhere = spaces("elsewhere")
    worn = shop.pods("storefront")[0]["metadata"]["labels"]
    forged = {key: value for key, value in worn.items() if key != "pod-template-hash"}
    shop.apply(stranger(STRANGER, IMAGES["users"], {}, LISTEN))
    elsewhere.apply(stranger(IMPOSTOR, IMAGES["users"], forged, LISTEN))
    for space, name in ((shop, STRANGER), (elsewhere, IMPOSTOR)):
        space.kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")
    yield {STRANGER: (shop, STRANGER), IMPOSTOR: (elsewhere, IMPOSTOR)}
    shop.kubectl("delete", "pod", STRANGER, "--wait=false")


def test_walls_every_pair(shop: Space, outsiders: dict[str, tuple[Space, str]]) -> None:
    """Every ordered pair of pods is reachable or unreachable as declared."""
    stands = {**_members(shop), **outsiders}
    targets = [_target(name, space.get(f"pod/{pod}")) for name, (space, pod) in stands.items()]
    declared = _declared(shop.find("microservices"))

    proven = {
        (source, target.name)
        for source, (space, pod) in stands.items()
        for target in reached(space, pod, [target for target in targets if target.name != source])
    }

    pairs = {(source, target.name) for source in stands for target in targets if source != target.name}
    assert len(pairs) == 7 * 6
    wrongly_open, wrongly_shut = sorted(proven - declared), sorted((declared & pairs) - proven)
    assert (wrongly_open, wrongly_shut) == ([], [])


def test_walls_undeclared_port(shop: Space) -> None:
    """A pod with the labels of users is unreachable on a port that users does not declare."""
    worn = {key: value for key, value in shop.pods("users")[0]["metadata"]["labels"].items() if "hash" not in key}
    shop.apply(stranger("side-database-proxy", IMAGES["users"], worn, LISTEN))
    try:
        shop.kubectl("wait", "pod/side-database-proxy", "--for=condition=Ready", "--timeout=60s")
        target = Target("side-database-proxy", shop.get("pod/side-database-proxy")["status"]["podIP"], 8080)
        callers = [shop.pods(name)[0]["metadata"]["name"] for name in ("storefront", "payments")]
        assert [reached(shop, caller, [target]) for caller in callers] == [set(), set()]
    finally:
        shop.kubectl("delete", "pod", "side-database-proxy", "--wait=false")


def test_walls_deleted_service(spaces: Callable[..., Space]) -> None:
    """Network policies outlive the last pod of a deleted service: no attempt of an unmanaged pod succeeds."""
    space = spaces("leaving")
    space.apply(users(database=database("users", deletionPolicy="Delete")))
    space.until_ready("users")
    targets = [_target(name, space.pods("users", component)[0]) for name, component in COMPONENTS.items()]
    attempts = "; ".join(
        f"timeout 1 bash -c 'exec 3<>/dev/tcp/{target.address}/{target.port}' && echo open {target.name}"
        for target in targets
    )
    trying = f"echo trying; for round in $(seq {ROUNDS}); do {attempts}; done 2>/dev/null; echo done; sleep infinity"
    space.apply(stranger(STRANGER, IMAGES["users"], {}, ["bash", "-c", trying]))
    space.kubectl("wait", f"pod/{STRANGER}", "--for=condition=Ready", "--timeout=60s")

    space.delete("microservice/users")
    space.gone("pod", "-l", "app.kubernetes.io/instance=users")
    space.gone("networkpolicy", "-l", "app.kubernetes.io/instance=users")

    said = space.kubectl("logs", STRANGER).splitlines()
    assert said[0] == "trying" and "done" not in said, "it went on trying to the end"
    assert said[1:] == []


def _members(shop: Space) -> dict[str, tuple[Space, str]]:
    """Return one pod of each service and database, by its name in the table."""
    pods = {name: shop.pods(name)[0] for name in SERVICES}
    pods |= {f"{name}-database": shop.pods(name, "database")[0] for name in DATABASES}
    return {name: (shop, pod["metadata"]["name"]) for name, pod in pods.items()}


def _target(name: str, pod: Object) -> Target:
    ports = [port["containerPort"] for container in pod["spec"]["containers"] for port in container.get("ports", [])]
    return Target(name, pod["status"]["podIP"], ports[0] if ports else 8080)


def _declared(services: list[Object]) -> set[tuple[str, str]]:
    """Return the open pairs by the Microservices alone, without the operator's objects.

    HTTP is open to every caller that may go out itself, as unmanaged pods may.
    """
    consumed = {
        (service["metadata"]["name"], provider["name"])
        for service in services
        for provider in service["spec"].get("consumes", [])
    }
    own = {
        (service["metadata"]["name"], f"{service['metadata']['name']}-database")
        for service in services
        if "database" in service["spec"]
    }
    pages = {service["metadata"]["name"] for service in services if "http" in service["spec"]}
    outside = {(who, page) for who in (STRANGER, IMPOSTOR) for page in pages}
    return consumed | own | outside | {(STRANGER, IMPOSTOR), (IMPOSTOR, STRANGER)}
