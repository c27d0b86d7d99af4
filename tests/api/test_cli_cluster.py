"""`kubectl freehold cluster link` and the completion of destinations against a real API server."""

from __future__ import annotations

import base64
import subprocess

import pytest
import yaml
from click.shell_completion import ShellComplete
from freehold.cli.commands.cluster_link import NAME
from freehold.cli.completion import VARIABLE
from freehold.cli.main import freehold

from tests.api.cluster import Cluster, until
from tests.api.commands import PROGRAMS


def test_cluster_link_prints_secret(cluster: Cluster, home: str) -> None:
    """The command binds a ServiceAccount to the reading role and prints a Secret with a kubeconfig."""
    options = ["-n", home, f"--kubeconfig={cluster.kubeconfig}", "--server", "https://east.example:6443"]
    command = [PROGRAMS / "freehold", "cluster", "link", "east", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as linking:
        until(lambda: cluster.get("Secret", home, NAME), "the Secret for the token exists")
        token = {"token": base64.b64encode(b"a-token").decode(), "ca.crt": base64.b64encode(b"a-ca").decode()}
        cluster.patch("Secret", home, NAME, {"data": token})  # the controller manager's part
        text, _ = linking.communicate(timeout=30)
    assert linking.returncode == 0, text
    secret = yaml.safe_load(text)
    assert (secret["kind"], secret["metadata"]) == ("Secret", {"name": "east", "namespace": home})
    kubeconfig = yaml.safe_load(secret["stringData"]["value"])
    assert kubeconfig["clusters"][0]["cluster"]["server"] == "https://east.example:6443"
    assert kubeconfig["users"][0]["user"] == {"token": "a-token"}
    assert kubeconfig["contexts"][0]["context"] == {"cluster": "east", "user": "east", "namespace": home}
    bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{home}/rolebindings/{NAME}"
    assert cluster.request("GET", bindings)["subjects"] == [{"kind": "ServiceAccount", "name": NAME, "namespace": home}]


def test_completion_of_destinations(cluster: Cluster, home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage classes, namespaces and linked clusters are completed; without nodes, no zones."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    secret = {"kind": "Secret", "metadata": {"name": "west", "namespace": home}, "data": {"value": ""}}
    cluster.create(secret)
    program = ShellComplete(freehold, {}, "freehold", VARIABLE)
    for option, unfinished, found in (
        ("--class", "stan", ["standard"]),
        ("--to-namespace", "freehold-", ["freehold-system"]),
        ("--to-cluster", "", ["west"]),
        ("--zone", "", []),
    ):
        items = program.get_completions(["move", "users", "-n", home, option], unfinished)
        assert [item.value for item in items] == found, option
