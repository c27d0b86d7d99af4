"""`kubectl freehold` with a real API server: output, errors and exit codes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from freehold.cli.main import freehold
from freehold.core.model.resources import Object

from localcluster.apiserver import ApiServer
from localcluster.paths import tools_bin
from tests.api.cluster import Cluster, until
from tests.api.operators import free_port
from tests.api.shop import FULL, microservice

pytestmark = pytest.mark.usefixtures("operator")
PROGRAMS = Path(sys.executable).parent
LIST_SERVICES: Object = {"apiGroups": ["freehold.dev"], "resources": ["microservices"], "verbs": ["list"]}


def run(kubeconfig: Path, *arguments: str) -> Result:
    return CliRunner().invoke(freehold, arguments, env={"KUBECONFIG": str(kubeconfig)})


def answer(cluster: Cluster, *arguments: str, code: int = 0) -> str:
    done = run(cluster.kubeconfig, *arguments)
    assert done.exit_code == code, done.output
    return done.stdout


def refusal(kubeconfig: Path, *arguments: str) -> str:
    """Return the error of a command that fails."""
    done = run(kubeconfig, *arguments)
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("Error: ").rstrip()


@pytest.fixture
def shop(cluster: Cluster, home: str) -> str:
    """users with a database; payments, which consumes users and an absent service; a front end without consent."""
    cluster.create(microservice(home, database=FULL["database"]))
    cluster.create(microservice(home, "payments", consumes=[{"name": "users"}, {"name": "ledger"}]))
    cluster.create(microservice(home, "front", grpc=None, http={"port": 8080}))
    return home


def test_cli_matrix(cluster: Cluster, shop: str) -> None:
    """`matrix` shows the reachability that the resources declare."""
    lines = answer(cluster, "matrix", "-n", shop).splitlines()
    assert [line.split() for line in lines[:5]] == [
        ["front:8080", "payments:50051", "users:50051", "users-database:5432", "internet"],
        ["front", "–", "·", "·", "·", "·"],
        ["payments", "·", "–", "✓", "·", "·"],
        ["users", "·", "·", "–", "✓", "·"],
        ["(stranger)", "✓", "·", "·", "·", "–"],
    ]
    unproven = [line for line in lines[5:] if line.startswith("not proven yet for ")]
    assert all(any(name in line for line in unproven) for name in ("front", "payments", "users"))
    everywhere = answer(cluster, "matrix", "-A")
    assert f"{shop}/users:50051" in everywhere and f"{shop}/payments " in everywhere
    pairs = json.loads(answer(cluster, "matrix", "-n", shop, "-o", "json"))["pairs"]
    assert {"from": f"{shop}/payments", "to": f"users.{shop}.svc:50051", "declared": "Open"} in pairs


def test_cli_why_names_policies(cluster: Cluster, shop: str) -> None:
    """`why` names network policies that exist."""
    cluster.ready(shop, "front")
    cluster.ready(shop, "users")
    said = answer(cluster, "why", "front", "users-db", "-n", shop, code=1) + answer(
        cluster, "why", "payments", "users", "-n", shop
    )
    named = set(re.findall(r"NetworkPolicy (\S+) in namespace (\S+) ", said))
    assert named == {(name, shop) for name in ("front", "users", "payments", "users-database")}
    for name, namespace in named:
        assert cluster.get("NetworkPolicy", namespace, name), name


def test_cli_why_advice_opens(cluster: Cluster, shop: str) -> None:
    """The edit that `why` proposes opens the connection."""
    sales = cluster.namespace(f"{shop[:40]}-sales")
    cluster.create(microservice(sales, "till"))
    said = answer(cluster, "why", f"{sales}/till", f"{shop}/users", code=1)
    consumed = re.search(r"^Add (.*) to spec\.consumes of ", said, re.MULTILINE)
    consumers = re.search(r"^Set spec\.grpc\.consumers of \S+ to (.*), or to ", said, re.MULTILINE)
    assert consumed and consumers, said
    cluster.patch("Microservice", sales, "till", {"spec": {"consumes": [yaml.safe_load(consumed[1])]}})
    grpc = {"consumers": yaml.safe_load(consumers[1])}
    cluster.patch("Microservice", shop, "users", {"spec": {"grpc": grpc}})
    assert answer(cluster, "why", f"{sales}/till", f"{shop}/users").startswith("Open")
    cluster.says(sales, "till", "DependenciesResolved", "Resolved")
    cluster.delete("Microservice", sales, "till")


def test_cli_graph_other_namespaces(cluster: Cluster, home: str) -> None:
    """`graph` includes consumed services of other namespaces."""
    other = cluster.namespace(f"{home[:40]}-other")
    cluster.create(microservice(other, "ledger", grpc={"consumers": {"from": "All"}}))
    consumes = [{"name": "ledger", "namespace": other}, {"name": "gone"}]
    cluster.create(microservice(home, consumes=consumes))
    assert answer(cluster, "graph", "-n", home) == (
        f"users\n├── consumes {other}/ledger\n└── ✗ consumes gone: does not exist\n"
    )
    cluster.delete("Microservice", other, "ledger")


def test_cli_status_watch(cluster: Cluster, home: str) -> None:
    """`status` prints unmet conditions, and with `--watch` each change."""
    cluster.create(microservice(home, consumes=[{"name": "gone"}]))
    cluster.says(home, "users", "DependenciesResolved", "ProviderNotFound")
    said = answer(cluster, "status", "users", "-n", home, code=1)
    assert "users     no" in said
    assert f"gone in namespace {home} does not exist; it is used as soon as it does" in said
    command = [PROGRAMS / "freehold", "status", "-w", "-n", home, f"--kubeconfig={cluster.kubeconfig}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        told: list[str] = []
        reader = threading.Thread(target=lambda: told.extend(iter(watching.stdout.readline, "")))  # type: ignore[union-attr]
        reader.start()
        try:
            until(lambda: "gone in namespace" in "".join(told), "it shows what is not met")
            cluster.patch("Microservice", home, "users", {"spec": {"consumes": []}})
            cluster.ready(home)
            well = ["users", "yes"]
            until(lambda: any(line.split()[:2] == well for line in told), lambda: f"it tells what turns: {told}")
        finally:
            watching.send_signal(signal.SIGINT)
            watching.wait(10)
            reader.join(10)
    assert answer(cluster, "status", "-n", home).splitlines()[1].split()[:2] == ["users", "yes"]


def test_cli_kubectl_plugin(cluster: Cluster, shop: str) -> None:
    """kubectl runs the plugin and completes its arguments."""
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
def test_cli_completion_script(cluster: Cluster, shell: str) -> None:
    """The shell accepts the completion script."""
    script = answer(cluster, "completion", shell)
    assert "_FREEHOLD_COMPLETE" in script
    if program := shutil.which(shell):
        checked = subprocess.run([program, "-n"], input=script, text=True, capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr


def kubeconfig(cluster: Cluster, folder: Path, user: Object, context: str = "tests", **instead: str) -> Path:
    """Return a kubeconfig with another user or another server."""
    whole = yaml.safe_load(cluster.kubeconfig.read_text())
    server = {**whole["clusters"][0]["cluster"], **instead}
    contexts = [{"name": context, "context": {"cluster": "tests", "user": "tests", "namespace": "shop"}}]
    named = {"clusters": [{"name": "tests", "cluster": server}], "users": [{"name": "tests", "user": user}]}
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump({"current-context": "tests", "contexts": contexts, **named}))
    return file


def with_rights(cluster: Cluster, namespace: str, folder: Path, *rules: Object) -> Path:
    """Return the kubeconfig of a user with these rights in the namespace, and no others."""
    cluster.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "guest"}})
    roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    cluster.request("POST", f"{roles}/roles", {"metadata": {"name": "guest"}, "rules": list(rules)})
    subject = {"kind": "ServiceAccount", "name": "guest", "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "guest"}
    binding = {"metadata": {"name": "guest"}, "roleRef": role, "subjects": [subject]}
    cluster.request("POST", f"{roles}/rolebindings", binding)
    token = f"/api/v1/namespaces/{namespace}/serviceaccounts/guest/token"
    return kubeconfig(cluster, folder, {"token": cluster.request("POST", token, {})["status"]["token"]})


def test_cli_role_missing(cluster: Cluster, home: str, tmp_path: Path) -> None:
    """Without the right to read services, the error names the ClusterRole that grants the right."""
    guest = with_rights(cluster, home, tmp_path)
    user = f"system:serviceaccount:{home}:guest"
    assert until(lambda: refusal(guest, "matrix", "-n", home), "the server answers") == (
        f"no right to list microservices in namespace {home}; ClusterRole view has it, and an administrator binds it "
        f"by kubectl create rolebinding freehold-view --clusterrole=view --user={user} -n {home}"
    )
    everywhere = refusal(guest, "status", "-A")
    assert "in all namespaces (-n NAMESPACE asks for one)" in everywhere and "clusterrolebinding" in everywhere


def test_cli_without_namespace_labels(cluster: Cluster, home: str, tmp_path: Path) -> None:
    """Without the right to read namespaces, `matrix` continues without their labels."""
    selector = {"from": "Selector", "selector": {"matchLabels": {"team": "sales"}}}
    cluster.create(microservice(home, grpc={"consumers": selector}))
    cluster.create(microservice(home, "payments", consumes=[{"name": "users"}, {"name": "far", "namespace": "away"}]))
    guest = with_rights(cluster, home, tmp_path, LIST_SERVICES)
    until(lambda: run(guest, "matrix", "-n", home).exit_code == 0, "its right is known to the server")
    done = run(guest, "matrix", "-n", home)
    note = f"Note: no right to read the labels of namespace {home}: consent by selector cannot be judged"
    assert note in done.stderr
    assert [line.split() for line in done.stdout.splitlines()][1] == ["payments", "–", "?", "·"]
    unknown = run(guest, "why", "payments", "users", "-n", home)
    assert unknown.exit_code == 2 and unknown.stdout.startswith("Unknown")
    assert "? consumes away/far: no right to look into namespace away" in run(guest, "graph", "-n", home).stdout


@pytest.fixture(scope="module")
def bare() -> Iterator[Path]:
    """A cluster without Freehold."""
    with ApiServer() as server:
        yield server.kubeconfig


def test_cli_freehold_not_installed(bare: Path) -> None:
    """In a cluster without Freehold, the error names the installation command."""
    assert refusal(bare, "matrix") == (
        "this cluster knows no Microservices: install Freehold there, as by "
        "helm install freehold charts/freehold --namespace freehold-system --create-namespace"
    )


def test_cli_unknown_names(cluster: Cluster, shop: str) -> None:
    """Unknown services and namespaces are reported by name."""
    assert refusal(cluster.kubeconfig, "matrix", "-n", "nowhere") == "there is no namespace nowhere"
    assert refusal(cluster.kubeconfig, "status", "user", "-n", shop).endswith("; did you mean users?")
    assert refusal(cluster.kubeconfig, "why", "users", "payment", "-n", shop) == (
        f"there is no service payment in namespace {shop}; did you mean payments?"
    )
    empty = run(cluster.kubeconfig, "matrix", "-n", "default")
    assert empty.exit_code == 0 and empty.stdout == ""
    assert empty.stderr == "Note: no Microservice in namespace default; -A looks in all namespaces\n"


def test_cli_cluster_unreachable(cluster: Cluster, tmp_path: Path) -> None:
    """An unreachable cluster is reported without a traceback."""
    missing = tmp_path / "missing"
    assert refusal(missing, "matrix") == (
        f"no cluster to ask: {missing} does not exist; name a kubeconfig by --kubeconfig or KUBECONFIG"
    )
    for text in ("", "text", "{{{:", "contexts: []"):
        broken = tmp_path / "broken"
        broken.write_text(text)
        assert refusal(broken, "matrix").startswith(f"no cluster to ask: {broken} cannot be used: ")
    stranger = kubeconfig(cluster, tmp_path, {"token": "nonsense"})
    assert refusal(stranger, "matrix").startswith("the cluster does not accept these credentials")
    assert refusal(stranger, "matrix", "--context", "test") == (
        f"{stranger} has no context test; kubectl config get-contexts lists those it has"
    )
    silent = kubeconfig(cluster, tmp_path, {}, server=f"https://127.0.0.1:{free_port()}")
    assert refusal(silent, "matrix").startswith("the API server does not answer: ")


def test_cli_context(cluster: Cluster, shop: str, tmp_path: Path) -> None:
    """`--context` selects the cluster and the namespace as with kubectl."""
    user = yaml.safe_load(cluster.kubeconfig.read_text())["users"][0]["user"]
    file = kubeconfig(cluster, tmp_path, user, context="other")
    file.write_text(
        file.read_text().replace("current-context: tests", "").replace("namespace: shop", f"namespace: {shop}")
    )
    assert refusal(file, "matrix").startswith(f"no cluster to ask: {file} cannot be used: ")
    done = run(cluster.kubeconfig, "graph", "--kubeconfig", str(file), "--context", "other")
    assert done.exit_code == 0 and "payments\n├── consumes users" in done.stdout, done.output
