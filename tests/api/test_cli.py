"""Commands of `kubectl freehold` against a real API server: output and exit codes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading

import pytest
import yaml

from localcluster.paths import tools_bin
from tests.api.cluster import Cluster, until
from tests.api.commands import PROGRAMS, answer, create_shop
from tests.api.shop import microservice

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture
def shop(cluster: Cluster, home: str) -> str:
    """A namespace with users, payments and front."""
    create_shop(cluster, home)
    return home


def test_matrix_of_declared_resources(cluster: Cluster, shop: str) -> None:
    """The matrix shows the declared verdicts and the services without verification."""
    lines = answer(cluster, "matrix", "-n", shop).splitlines()
    assert [line.split() for line in lines[:5]] == [
        ["front:8080", "payments:50051", "users:50051", "users-database:5432", "internet"],
        ["front", "–", "·", "·", "·", "·"],
        ["payments", "·", "–", "✓", "·", "·"],
        ["users", "·", "·", "–", "✓", "·"],
        ["(unmanaged)", "✓", "·", "·", "·", "–"],
    ]
    unverified = [line for line in lines[5:] if line.startswith("not verified yet: ")]
    assert all(any(name in line for line in unverified) for name in ("front", "payments", "users"))
    everywhere = answer(cluster, "matrix", "-A")
    assert f"{shop}/users:50051" in everywhere and f"{shop}/payments " in everywhere
    pairs = json.loads(answer(cluster, "matrix", "-n", shop, "-o", "json"))["pairs"]
    assert {"from": f"{shop}/payments", "to": f"users.{shop}.svc:50051", "declared": "Open"} in pairs


def test_why_names_existing_policies(cluster: Cluster, shop: str) -> None:
    """The network policies in the explanation exist."""
    cluster.ready(shop, "front")
    cluster.ready(shop, "users")
    text = answer(cluster, "why", "front", "users-db", "-n", shop, code=1) + answer(
        cluster, "why", "payments", "users", "-n", shop
    )
    named = set(re.findall(r"NetworkPolicy (\S+) in namespace (\S+) ", text))
    assert named == {(name, shop) for name in ("front", "users", "payments", "users-database")}
    for name, namespace in named:
        assert cluster.get("NetworkPolicy", namespace, name), name


def test_why_changes_open_connection(cluster: Cluster, shop: str) -> None:
    """The changes in the explanation open the connection."""
    sales = cluster.namespace(f"{shop[:40]}-sales")
    cluster.create(microservice(sales, "till"))
    text = answer(cluster, "why", f"{sales}/till", f"{shop}/users", code=1)
    consumed = re.search(r"^Add (.*) to spec\.consumes of ", text, re.MULTILINE)
    consumers = re.search(r"^Set spec\.grpc\.consumers of \S+ to (.*), or to ", text, re.MULTILINE)
    assert consumed and consumers, text
    cluster.patch("Microservice", sales, "till", {"spec": {"consumes": [yaml.safe_load(consumed[1])]}})
    grpc = {"consumers": yaml.safe_load(consumers[1])}
    cluster.patch("Microservice", shop, "users", {"spec": {"grpc": grpc}})
    assert answer(cluster, "why", f"{sales}/till", f"{shop}/users").startswith("Open")
    cluster.says(sales, "till", "DependenciesResolved", "Resolved")
    cluster.delete("Microservice", sales, "till")


def test_graph_reads_namespaces_of_providers(cluster: Cluster, home: str) -> None:
    """Providers in other namespaces are read there."""
    other = cluster.namespace(f"{home[:40]}-other")
    cluster.create(microservice(other, "ledger", grpc={"consumers": {"from": "All"}}))
    consumes = [{"name": "ledger", "namespace": other}, {"name": "gone"}]
    cluster.create(microservice(home, consumes=consumes))
    assert answer(cluster, "graph", "-n", home) == (
        f"users\n├── consumes {other}/ledger\n└── ✗ consumes gone: does not exist\n"
    )
    cluster.delete("Microservice", other, "ledger")


def test_status_unmet_conditions_and_watch(cluster: Cluster, home: str) -> None:
    """Unmet conditions are printed with their messages; --watch prints the changes."""
    cluster.create(microservice(home, consumes=[{"name": "gone"}]))
    cluster.says(home, "users", "DependenciesResolved", "ProviderNotFound")
    text = answer(cluster, "status", "users", "-n", home, code=1)
    assert text.split()[:2] == ["NAME", "READY"] and "users   False" in text
    assert f"gone in namespace {home} does not exist; it is used as soon as it does" in text
    command = [PROGRAMS / "freehold", "status", "-w", "-n", home, f"--kubeconfig={cluster.kubeconfig}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(iter(watching.stdout.readline, "")))  # type: ignore[union-attr]
        reader.start()
        try:
            until(lambda: "gone in namespace" in "".join(lines), "the unmet condition is printed")
            cluster.patch("Microservice", home, "users", {"spec": {"consumes": []}})
            cluster.ready(home)
            ready = ["users", "True"]
            until(lambda: any(line.split()[:2] == ready for line in lines), lambda: f"the change is printed: {lines}")
        finally:
            watching.send_signal(signal.SIGINT)
            watching.wait(10)
            reader.join(10)
    assert answer(cluster, "status", "-n", home).splitlines()[1].split()[:2] == ready


def test_kubectl_plugin_and_completion(cluster: Cluster, shop: str) -> None:
    """kubectl runs the commands and completes their words."""
    environment = {**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "KUBECONFIG": str(cluster.kubeconfig)}

    def kubectl(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [tools_bin() / "kubectl", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)

    refused = kubectl("freehold", "why", "front", "users", "-n", shop)
    assert refused.returncode == 1 and refused.stdout.startswith("Refused"), refused.stderr
    assert "Usage: kubectl freehold " in kubectl("freehold", "--help").stdout
    completed = kubectl("__complete", "freehold", "why", "-n", shop, "front", "u").stdout.splitlines()
    assert completed == ["users", ":4"]
    commands = kubectl("__complete", "freehold", "").stdout
    assert {line.partition("\t")[0] for line in commands.splitlines()} >= {"matrix", "why", "graph", "status"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_valid(cluster: Cluster, shell: str) -> None:
    """The completion script of a shell is valid."""
    script = answer(cluster, "completion", shell)
    assert "_FREEHOLD_COMPLETE" in script
    if program := shutil.which(shell):
        checked = subprocess.run([program, "-n"], input=script, text=True, capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr
