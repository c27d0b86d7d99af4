"""After an operator is killed at any write, the next one reaches the same end state and creates nothing twice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from localcluster.apiserver import ApiServer
from tests.api import operators
from tests.api.cluster import Cluster, until
from tests.api.proxy import Proxy
from tests.api.shop import FULL, microservice

POINTS = range(1, 19)
"""The writes after which the operator is killed, of at least nineteen until the service is Ready."""
CHANGES_EACH_TIME = {
    "resourceVersion",
    "uid",
    "creationTimestamp",
    "managedFields",
    "generation",
    "clusterIP",
    "clusterIPs",
    "data",
    "freehold.dev/config-hash",
    "freehold.dev/applied-hash",
    "hash",  # of a migration, which includes the namespace
    "lastTransitionTime",
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
}


def masked(value: Any, namespace: str) -> Any:
    """Return an object without its namespace, times and random values."""
    if isinstance(value, dict):
        kept = {key: masked(inner, namespace) for key, inner in value.items() if key not in CHANGES_EACH_TIME}
        return {**kept, "data": sorted(value["data"])} if "data" in value else kept
    if isinstance(value, list):
        return [masked(inner, namespace) for inner in value]
    return (
        re.sub(r"migrations-[0-9a-f]{10}", "migrations-", value.replace(namespace, "home"))
        if isinstance(value, str)
        else value
    )


def end_state(cluster: Cluster, namespace: str) -> dict[str, Any]:
    """Return all objects of a namespace, the Microservice and its status included."""
    found = {**cluster.owned(namespace), "resource": cluster.get("Microservice", namespace, "users")}
    return {str(masked(name, namespace)): masked(live, namespace) for name, live in found.items()}


@pytest.fixture(scope="module")
def undisturbed(cluster: Cluster, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The end state without an interruption."""
    home = cluster.namespace("undisturbed")
    cluster.create(microservice(home, **{**FULL, "consumes": []}))
    with operators.running(proxy.kubeconfig, tmp_path_factory.mktemp("undisturbed") / "log", home):
        cluster.ready(home)
        return end_state(cluster, home)


@pytest.mark.parametrize("writes", POINTS)
def test_interruptions_operator_killed(
    cluster: Cluster, proxy: Proxy, undisturbed: dict[str, Any], tmp_path: Path, writes: int
) -> None:
    """An operator killed after a write is followed by one that reaches the same end state."""
    home = cluster.namespace(f"killed-{writes}")
    cluster.create(microservice(home, **{**FULL, "consumes": []}))
    log = tmp_path / "log"
    first = operators.start(proxy.kubeconfig, log, home)
    proxy.cut_after(writes, first.process.kill)

    def ended() -> bool:
        cluster.run(home)
        return first.process.exitcode is not None

    until(ended, lambda: f"it is killed after {writes} writes; it says:\n{log.read_text()}")
    assert first.process.exitcode == -signal.SIGKILL
    with operators.running(proxy.kubeconfig, log, home):
        cluster.ready(home)
    assert end_state(cluster, home) == undisturbed
    made = {path: times for path, times in proxy.created.items() if f"/{home}/" in path}
    assert set(made.values()) == {1}, made
    assert len(made) == len(cluster.owned(home))


def test_interruptions_after_takeover_of_fields(cluster: Cluster, proxy: Proxy, tmp_path: Path) -> None:
    """Somebody's field is removed, also if the operator is killed after it became the field's manager."""
    home, log = cluster.namespace("taken-over"), tmp_path / "log"
    cluster.create(microservice(home))
    with operators.running(proxy.kubeconfig, log, home) as first:
        cluster.ready(home)
        proxy.cut_after(1, first.process.kill)
        cluster.patch("Service", home, "users", {"spec": {"externalIPs": ["192.0.2.1"]}}, fieldManager="somebody")
        until(lambda: first.process.exitcode is not None, lambda: f"it is killed; it says:\n{log.read_text()}")
    assert (cluster.get("Service", home, "users") or {})["spec"]["externalIPs"], "the field is still there"
    with operators.running(proxy.kubeconfig, log, home):
        until(
            lambda: "externalIPs" not in (cluster.get("Service", home, "users") or {})["spec"], "the field is removed"
        )


def command_of(server: ApiServer) -> list[str]:
    """Return the command line of the API server."""
    return Path(f"/proc/{server.pid('kube-apiserver')}/cmdline").read_text().split("\0")[:-1]


def test_interruptions_api_server_restarted(
    cluster: Cluster, server: ApiServer, ends: ExitStack, tmp_path: Path
) -> None:
    """An operator continues after a restart of its API server."""
    home = cluster.namespace("outage")
    cluster.create(microservice(home))
    log, command = tmp_path / "log", command_of(server)
    with operators.running(cluster.kubeconfig, log, home) as operator:
        cluster.ready(home)
        os.kill(server.pid("kube-apiserver"), signal.SIGKILL)
        time.sleep(0.5)
        with (server.logs / "kube-apiserver.log").open("ab") as output:
            again = ends.enter_context(subprocess.Popen(command, stdout=output, stderr=output))
            ends.callback(again.kill)
        until(cluster.serves, "the API server is back", seconds=30)
        cluster.delete("Service", home, "users")
        cluster.create(microservice(home, "later"))
        cluster.ready(home, "later")
        until(lambda: cluster.get("Service", home, "users"), "what was deleted comes back")
        assert operator.alive()
    assert "Traceback" not in log.read_text()
