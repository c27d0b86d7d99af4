"""Command `cluster link`: read access to services for another cluster, as a Secret with a kubeconfig."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta

import click
import yaml

from freehold.cli import output
from freehold.cli.connection import Connection
from freehold.core.model.resources import Object
from freehold.core.objects import names
from freehold.kube.client import Api
from freehold.kube.cluster_registry import https_server
from freehold.kube.errors import ClusterError
from freehold.kube.kinds import Kind
from freehold.views import snapshot
from freehold.views.errors import Failure

NAME = "freehold-remote-reader"
"""The name of the ServiceAccount and its RoleBinding; also the ClusterRole in the chart."""
SECRETS = f"{NAME}-secrets"
"""The name of the Role for the Secrets of the named services, and of its RoleBinding."""
RBAC = "rbac.authorization.k8s.io"
ACCOUNT = Kind("ServiceAccount", "v1", "serviceaccounts")
ROLE = Kind("Role", f"{RBAC}/v1", "roles")
BINDING = Kind("RoleBinding", f"{RBAC}/v1", "rolebindings")
TOKEN = Kind("TokenRequest", "v1", f"{ACCOUNT.plural}/{NAME}/token")
"""The subresource that issues tokens (authentication.k8s.io/v1, TokenRequest)."""


def run(connection: Connection, name: str, services: tuple[str, ...], server: str | None, days: int) -> None:
    """Create the access and print the Secret for the other cluster."""
    secret, expires = asyncio.run(grant(connection, name, services, server, timedelta(days=days)))
    click.echo(output.document(secret, "yaml"))
    click.echo(f"The token expires at {expires}; run the command again before, and apply the new Secret.", err=True)


def revoke(connection: Connection) -> None:
    """Remove the access of every linked cluster to the namespace."""
    namespace = asyncio.run(withdraw(connection))
    click.echo(f"No other cluster can read namespace {namespace} any more; its tokens are invalid.")


async def grant(
    connection: Connection, name: str, services: tuple[str, ...], server: str | None, lifetime: timedelta
) -> tuple[Object, str]:
    """Create a ServiceAccount with read access; return the Secret to apply in the other cluster, and when its token
    expires. Raises Failure.

    name: the name of this cluster in the other cluster. services: whose Secrets may be read, besides those of earlier
    links. server: the URL of the API server, as registered in the other cluster; None: the kubeconfig's URL.
    """
    async with connection.open() as (api, namespace):
        try:
            url = https_server(server or api.server)
        except ValueError as error:
            raise Failure(f"{error}; give the registered address with --server") from error
        try:
            readable = {*await _readable(api, namespace), *_secrets_of(services)}
            for kind, body in _objects(namespace, sorted(readable)):
                await api.apply(kind, body)
            token = await _token(api, namespace, lifetime)
        except ClusterError as error:
            raise snapshot.to_failure(error, namespace) from error
        return _secret(name, namespace, _kubeconfig(name, namespace, url, token["token"])), token["expirationTimestamp"]


async def withdraw(connection: Connection) -> str:
    """Delete the ServiceAccount, and with it every token, the Role and the bindings; return the namespace. Raises
    Failure."""
    async with connection.open() as (api, namespace):
        try:
            for kind, name in ((ACCOUNT, NAME), (BINDING, NAME), (BINDING, SECRETS), (ROLE, SECRETS)):
                await api.delete(kind, namespace, name, {})
        except ClusterError as error:
            raise snapshot.to_failure(error, namespace) from error
        return namespace


def _secrets_of(services: Iterable[str]) -> list[str]:
    return [secret for service in services for secret in names.read_by_counterpart(service)]


async def _readable(api: Api, namespace: str) -> list[str]:
    """Return the Secrets that earlier links made readable."""
    role = await api.get(ROLE, namespace, SECRETS) or {}
    return [secret for rule in role.get("rules") or () for secret in rule.get("resourceNames", ())]


def _objects(namespace: str, secrets: list[str]) -> list[tuple[Kind, Object]]:
    metadata = {"name": NAME, "namespace": namespace}
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata,
        "automountServiceAccountToken": False,
    }
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": secrets, "verbs": ["get"]}
    role = {"apiVersion": ROLE.api, "kind": ROLE.name, "metadata": {**metadata, "name": SECRETS}, "rules": [rule]}
    bindings = [
        (BINDING, _binding(metadata, {"kind": "ClusterRole", "name": NAME})),
        (BINDING, _binding({**metadata, "name": SECRETS}, {"kind": "Role", "name": SECRETS})),
    ]
    return [(ACCOUNT, account), (ROLE, role), *bindings]


def _binding(metadata: Object, role: Object) -> Object:
    subjects = [{"kind": "ServiceAccount", "name": NAME, "namespace": metadata["namespace"]}]
    body = {"apiVersion": BINDING.api, "kind": BINDING.name, "metadata": metadata}
    return {**body, "roleRef": {"apiGroup": RBAC, **role}, "subjects": subjects}


async def _token(api: Api, namespace: str, lifetime: timedelta) -> dict[str, str]:
    """Return a token and its expiry; the API server may shorten the lifetime. Raises ClusterError."""
    spec = {"expirationSeconds": int(lifetime.total_seconds())}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": TOKEN.name, "spec": spec}
    status: dict[str, str] = (await api.create(TOKEN, namespace, body))["status"]
    return status


def _kubeconfig(name: str, namespace: str, server: str, token: str) -> str:
    context = {"cluster": name, "user": name, "namespace": namespace}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": {"server": server}}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": name, "context": context}],
        },
        sort_keys=False,
    )


def _secret(name: str, namespace: str, kubeconfig: str) -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"value": kubeconfig}}
