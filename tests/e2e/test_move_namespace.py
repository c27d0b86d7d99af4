"""A service moves to another namespace and back while called by its old name: no call fails, its network policies move
along, and its providers admit it in either namespace.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from tests import offered
from tests.e2e.support import image_layers
from tests.e2e.support.cluster import Cluster, Space
from tests.e2e.support.grpc_load import CALLER, IMAGE, PYTHON, Load, behind_walls, declared, pod, start_callers
from tests.e2e.support.microservices import microservice
from tests.e2e.support.moves import move
from tests.e2e.support.write_load import LONGEST

pytestmark = pytest.mark.alone

RATE = 25
"""Calls a second."""
CALM = 5.0
"""Seconds before, between and after the moves, longer than the time to live of DNS answers."""
STRANGER = "stranger"
OPENS = "import socket, sys; socket.create_connection((sys.argv[1], 50051), 3).close()"


@pytest.fixture(scope="module")
def shop(cluster: Cluster, yard: Space, tmp_path_factory: pytest.TempPathFactory) -> Space:
    """users without a database, and a consumer."""
    folder = tmp_path_factory.mktemp("images")
    image = image_layers.offering(cluster.stage, "moving", folder, offered.users(), "answering")
    yard.apply(microservice("users", image=image, grpc={}, replicas=2), declared(("users",)))
    yard.until_ready("users", CALLER)
    yard.until(f"configmap/{CALLER}-consumes", lambda live: "users.service-config" in live.get("data", {}))
    start_callers(yard, ("users",))
    return yard


@pytest.fixture
def people(spaces: Callable[..., Space]) -> Space:
    """Another namespace with an unmanaged pod, which no service admits."""
    space = spaces("people")
    space.apply(pod(STRANGER, {}, image=IMAGE))
    space.kubectl("wait", f"pod/{STRANGER}", "--for=condition=Ready", "--timeout=60s")
    return space


def opens(space: Space, who: str, host: str) -> bool:
    """Whether a pod can connect to a service's gRPC port."""
    return not space.cluster.tried("-n", space.name, "exec", who, "--", PYTHON, "-c", OPENS, host).returncode


def test_move_namespace_and_rollback(shop: Space, people: Space) -> None:
    """A move of a service to another namespace and its rollback lose no call, and network policies move along."""
    load = Load(shop, "x", RATE, LONGEST, ("python",))
    time.sleep(CALM)
    print(move(shop, "--to-namespace", people.name))
    mine = "app.kubernetes.io/instance=users,app.kubernetes.io/component=service"
    shop.gone("pod", "-l", mine)  # from here on only pods in the other namespace can answer
    shop.until_ready("users")
    time.sleep(CALM)
    assert len(people.pods("users")) == 2
    assert not opens(people, STRANGER, f"users.{people.name}.svc"), "a stranger there is let in"
    assert opens(shop, CALLER, f"users.{people.name}.svc"), "the walls there do not admit who is admitted here"
    assert load.running(), "the calls ended before the way back"

    print(move(shop, "--rollback"))
    people.delete("microservice/users")
    people.gone("pod", "-l", mine)
    time.sleep(CALM)
    assert load.running(), "the calls ended too early"
    (calls,) = load.stopped().values()
    print(f"{calls.made} calls, {sum(calls.failed.values())} failed")
    assert not calls.failed, calls
    assert calls.made > RATE * CALM * 3
    assert shop.condition("users", "Relocated")["reason"] == "AtDestination"


def test_move_namespace_consent(shop: Space, people: Space) -> None:
    """A provider that admits a consumer admits it in the namespace of its move, and no longer after the rollback."""
    move(shop, "--to-namespace", people.name, service=CALLER)
    people.until_ready(CALLER)
    people.apply(pod(CALLER, behind_walls(people, CALLER), image=IMAGE))
    people.kubectl("wait", f"pod/{CALLER}", "--for=condition=Ready", "--timeout=60s")
    shop.until("networkpolicy/users", lambda live: people.name in json.dumps(live["spec"]))
    assert opens(people, CALLER, f"users.{shop.name}.svc")
    assert not opens(people, STRANGER, f"users.{shop.name}.svc")
    move(shop, "--rollback", service=CALLER)
    shop.until("networkpolicy/users", lambda live: people.name not in json.dumps(live["spec"]))
    deadline = time.monotonic() + CALM
    while opens(people, CALLER, f"users.{shop.name}.svc"):
        assert time.monotonic() < deadline, "consent outlived the move that it followed"
