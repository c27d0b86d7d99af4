"""Introduces a namespace to another cluster: a Secret for there, with a kubeconfig that may read what a move needs."""

from __future__ import annotations

import asyncio
import base64
import time

import yaml

from freehold.cli.connection import Place
from freehold.core.model.resources import Object
from freehold.kube.client import Api
from freehold.kube.errors import ClusterError
from freehold.kube.kinds import SECRET, Kind
from freehold.views import snapshot
from freehold.views.errors import Failure

NAME = "freehold-remote-reader"
"""Of the ServiceAccount, of what binds it, and of its token; and of the ClusterRole that the chart makes."""
RBAC = "rbac.authorization.k8s.io"
ACCOUNT = Kind("ServiceAccount", "v1", "serviceaccounts")
BINDING = Kind("RoleBinding", f"{RBAC}/v1", "rolebindings")
PATIENCE_SECONDS = 10.0


async def introduced(place: Place, name: str, server: str | None) -> Object:
    """The Secret, to be applied in the other cluster under the name by which this one is to be known there. server: the
    API server's address as pods there reach it, if not the kubeconfig's. Raises Failure."""
    async with place.open() as (api, namespace):
        try:
            for kind, body in _objects(namespace):
                await api.apply(kind, body)
            token = await _issued(api, namespace)
        except ClusterError as error:
            raise snapshot.explained(error, namespace) from error
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


async def _issued(api: Api, namespace: str) -> dict[str, str]:
    """The token and the cluster's authority, once the token controller has put them there. Raises Failure."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        live = await api.get(SECRET, namespace, NAME)
        data: dict[str, str] = (live or {}).get("data", {})
        if {"token", "ca.crt"} <= data.keys():
            return data
        await asyncio.sleep(0.1)
    raise Failure(f"no token came into Secret {NAME} of namespace {namespace}: does the controller manager run?")


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
