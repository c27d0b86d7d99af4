"""`kubectl freehold cluster link` and the completion of destinations against a real API server."""

from __future__ import annotations

import base64
import json
import ssl

import pytest
import urllib3
import yaml
from click.shell_completion import ShellComplete
from freehold.cli.commands.cluster_link import NAME
from freehold.cli.completion import VARIABLE
from freehold.cli.main import freehold
from freehold.core.model.resources import Object

from tests.api.cluster import Cluster, until
from tests.api.commands import answer, run
from tests.api.remote_cluster import authority

SERVER = ("--server", "https://east.example:6443")


def link(cluster: Cluster, home: str, *arguments: str) -> Object:
    """Return the Secret that the command prints."""
    printed: Object = yaml.safe_load(answer(cluster, "cluster", "link", "east", *arguments, "-n", home, *SERVER))
    return printed


def status(cluster: Cluster, path: str, token: str) -> int:
    """Return the HTTP status of a read with a token."""
    pool = urllib3.PoolManager(ssl_context=ssl.create_default_context(cadata=authority(cluster)), retries=False)
    return int(pool.request("GET", cluster.url + path, headers={"Authorization": f"Bearer {token}"}).status)


def test_cluster_link_prints_secret(cluster: Cluster, home: str) -> None:
    """The command prints a Secret with a kubeconfig, whose token expires and reads only the services' Secrets."""
    secret = link(cluster, home, "users", "--days", "2")
    assert (secret["kind"], secret["metadata"]) == ("Secret", {"name": "east", "namespace": home})
    kubeconfig = yaml.safe_load(secret["stringData"]["value"])
    assert kubeconfig["clusters"][0]["cluster"] == {"server": "https://east.example:6443"}
    assert kubeconfig["contexts"][0]["context"] == {"cluster": "east", "user": "east", "namespace": home}
    token = kubeconfig["users"][0]["user"]["token"]
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["sub"] == f"system:serviceaccount:{home}:{NAME}"
    assert claims["exp"] - claims["iat"] == 2 * 24 * 3600
    secrets = f"/api/v1/namespaces/{home}/secrets"
    assert status(cluster, f"{secrets}/users-database-server", token) == 404, "it may be read, and does not exist"
    for path in ("", "?watch=true", "/other", "/payments-database-server", "/east"):
        assert status(cluster, secrets + path, token) == 403, path


def test_cluster_link_keeps_earlier_services(cluster: Cluster, home: str) -> None:
    """A later link adds services to the readable ones; the bindings name the account of this namespace."""
    link(cluster, home, "users")
    link(cluster, home, "payments")
    roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{home}"
    (rule,) = cluster.request("GET", f"{roles}/roles/{NAME}-secrets")["rules"]
    assert rule["verbs"] == ["get"] and rule["resources"] == ["secrets"]
    databases = [f"{service}-database" for service in ("payments", "users")]
    assert rule["resourceNames"] == sorted(f"{name}-{end}" for name in databases for end in ("server", "tls"))
    for name in (NAME, f"{NAME}-secrets"):
        subjects = cluster.request("GET", f"{roles}/rolebindings/{name}")["subjects"]
        assert subjects == [{"kind": "ServiceAccount", "name": NAME, "namespace": home}]


def test_cluster_link_revoked(cluster: Cluster, home: str) -> None:
    """After --revoke the token is invalid, and role and bindings are gone."""
    token = yaml.safe_load(link(cluster, home, "users")["stringData"]["value"])["users"][0]["user"]["token"]
    path = f"/api/v1/namespaces/{home}/secrets/users-database-server"
    assert status(cluster, path, token) == 404
    answer(cluster, "cluster", "link", "east", "--revoke", "-n", home)
    until(lambda: status(cluster, path, token) == 401, "the token is invalid")
    roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{home}"
    assert cluster.request("GET", f"{roles}/roles")["items"] == []
    assert cluster.request("GET", f"{roles}/rolebindings")["items"] == []
    answer(cluster, "cluster", "link", "east", "--revoke", "-n", home)


def test_cluster_link_needs_services(cluster: Cluster, home: str) -> None:
    """Without the names of services nothing is granted."""
    done = run(cluster.kubeconfig, "cluster", "link", "east", "-n", home)
    assert done.exit_code == 2 and "name the services" in done.stderr


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
