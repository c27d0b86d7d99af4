"""Command `cluster link`: read access to a namespace for another cluster, as a Secret with a kubeconfig."""

from __future__ import annotations

import asyncio
import base64
import time

import click
import yaml

from freehold.cli import output
from freehold.cli.connection import Connection
from freehold.core.model.resources import Object
from freehold.kube.client import Api
from freehold.kube.errors import ClusterError
from freehold.kube.kinds import SECRET, Kind
from freehold.views import snapshot
from freehold.views.errors import Failure

NAME = "freehold-remote-reader"
"""The name of the ServiceAccount, its RoleBinding and its token; also the ClusterRole in the chart."""
RBAC = "rbac.authorization.k8s.io"
ACCOUNT = Kind("ServiceAccount", "v1", "serviceaccounts")
BINDING = Kind("RoleBinding", f"{RBAC}/v1", "rolebindings")
TIMEOUT_SECONDS = 10.0


def run(connection: Connection, name: str, server: str | None) -> None:
    """Create the access and print the Secret for the other cluster."""
    click.echo(output.document(asyncio.run(grant(connection, name, server)), "yaml"))


async def grant(connection: Connection, name: str, server: str | None) -> Object:
    """Create a ServiceAccount with read access; return the Secret to apply in the other cluster. Raises Failure.

    name: the name of this cluster in the other cluster. server: the URL of the API server, reachable from pods of the
    other cluster; None: the kubeconfig's URL.
    """
    async with connection.open() as (api, namespace):
        try:
            for kind, body in _objects(namespace):
                await api.apply(kind, body)
            token = await _token(api, namespace)
        except ClusterError as error:
            raise snapshot.to_failure(error, namespace) from error
        return _secret(name, namespace, _kubeconfig(name, namespace, server or api.server, token))


def _objects(namespace: str) -> list[tuple[Kind, Object]]:
    metadata = {"name": NAME, "namespace": namespace}
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata,
        "automountServiceAccountToken": False,
    }
    role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": NAME}
    subjects = [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}]
    binding = {"apiVersion": BINDING.api, "kind": BINDING.name, "metadata": metadata, "roleRef": role}
    owned = {**metadata, "annotations": {"kubernetes.io/service-account.name": NAME}}
    token = {"apiVersion": "v1", "kind": "Secret", "metadata": owned, "type": "kubernetes.io/service-account-token"}
    return [(ACCOUNT, account), (BINDING, {**binding, "subjects": subjects}), (SECRET, token)]


async def _token(api: Api, namespace: str) -> dict[str, str]:
    """Wait for the token and the cluster's CA certificate from the token controller. Raises Failure."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        live = await api.get(SECRET, namespace, NAME)
        data: dict[str, str] = (live or {}).get("data", {})
        if {"token", "ca.crt"} <= data.keys():
            return data
        await asyncio.sleep(0.1)
    raise Failure(
        f"Secret {NAME} in namespace {namespace} received no token; check that the cluster's controller manager runs"
    )


def _kubeconfig(name: str, namespace: str, server: str, token: dict[str, str]) -> str:
    cluster = {"server": server, "certificate-authority-data": token["ca.crt"]}
    context = {"cluster": name, "user": name, "namespace": namespace}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": {"token": base64.b64decode(token["token"]).decode()}}],
            "contexts": [{"name": name, "context": context}],
        },
        sort_keys=False,
    )


def _secret(name: str, namespace: str, kubeconfig: str) -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"value": kubeconfig}}
