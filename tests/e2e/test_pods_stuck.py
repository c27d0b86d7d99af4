"""Pods that never serve and end with no error: reported, instead of a rollout that is under way for ever."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.e2e.support import image_layers
from tests.e2e.support.cluster import Cluster, Space
from tests.e2e.support.microservices import IMAGES, database, microservice

PYTHON = "/opt/users/bin/python"
USAGE = b"print('usage: odd COMMAND')"
SILENT = b"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit()); signal.pause()"
STALLS_WITHIN = 240
"""Seconds until a pod that never serves is reported: the two minutes of a start, its end, and those until it exists."""

pytestmark = pytest.mark.first


@pytest.fixture(scope="module")
def programs(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """A function that builds an image of users that runs another program."""
    folder = tmp_path_factory.mktemp("images")

    def make(tag: str, program: bytes, arguments: Sequence[str] = ()) -> str:
        command = [PYTHON, "/odd/program.py", *arguments]
        return image_layers.lay(cluster.stage, "users", f"odd:{tag}", folder, {"odd/program.py": program}, command)

    return make


def test_pods_stuck_ending_well(yard: Space, programs: Callable[..., str]) -> None:
    """A container that ends with code 0 again and again is CrashLooping, with the command that shows its log."""
    yard.apply(microservice("tool", image=programs("usage", USAGE), grpc={"contract": "None"}))
    said = yard.until_condition("tool", "EndpointReady", "False", "CrashLooping", within=90)
    assert "ended with exit code 0 again and again" in said and "kubectl logs tool-" in said
    yard.until_event("tool", "Warning", "CrashLooping")
    yard.delete("microservice/tool")


def test_pods_stuck_in_rollout(yard: Space, programs: Callable[..., str]) -> None:
    """A rollout whose new pod never serves is reported while the old pod serves, and ends with a better image."""
    yard.apply(microservice("silent", image=IMAGES["users"], grpc={"contract": "None"}, database=database("users")))
    yard.until_ready("silent")
    yard.spec("silent", image=programs("silent", SILENT), database={"migrations": None})
    said = yard.until_condition("silent", "EndpointReady", "False", "StartupTimedOut", within=STALLS_WITHIN)
    assert said.endswith("; 1 other pod serves"), said
    yard.spec("silent", image=IMAGES["users"])
    yard.until_ready("silent")
    yard.delete("microservice/silent")


def test_pods_stuck_no_connections(yard: Space, programs: Callable[..., str]) -> None:
    """A rollout ends although the old pod holds more than half of the connections that the service may have."""
    program = Path(image_layers.__file__).with_name("programs") / "connection_pool.py"
    image = programs("pool", program.read_bytes(), ["5"])
    server = {"storage": {"size": "64Mi"}, "limits": {"connections": 8}}
    yard.apply(microservice("pooling", image=image, grpc={"contract": "None"}, database=server))
    yard.until_ready("pooling")
    yard.spec("pooling", resources={"requests": {"cpu": "30m"}})
    yard.until_ready("pooling", within=120)
    yard.delete("microservice/pooling")
