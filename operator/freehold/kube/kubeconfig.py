"""A kubeconfig that somebody put into a Secret: what of one is taken, and a client for it.

It comes from whoever may write Secrets in a namespace, so it may hold credentials and nothing that acts: a plugin would
run in the operator's place, and a file's name would be a file of the operator's (kubernetes.io, 'kubeconfig').
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import yaml
from kubernetes.aio import client, config

from freehold.core.model.resources import Object
from freehold.kube.client import Api

KEYS = ("value", "kubeconfig")
"""Under which a Secret holds one, the way of Cluster API first."""
TAKEN = {
    "cluster": {"server", "certificate-authority-data", "tls-server-name"},
    "user": {"token", "client-certificate-data", "client-key-data"},
}


class UnusableKubeconfigError(Exception):
    """The message says what is wrong with it, and what to put there."""


def of(name: str, secret: Object | None) -> str:
    """The kubeconfig in a Secret of that name. Raises UnusableKubeconfigError."""
    if secret is None:
        raise UnusableKubeconfigError(f"there is no Secret {name} with a kubeconfig for it")
    data = secret.get("data", {})
    found = next((data[key] for key in KEYS if key in data), None)
    if found is None:
        raise UnusableKubeconfigError(f"Secret {name} has no key {' or '.join(KEYS)}, which holds the kubeconfig")
    try:
        return base64.b64decode(found, validate=True).decode()
    except ValueError as error:
        raise UnusableKubeconfigError(f"the kubeconfig in Secret {name} is no text") from error


async def connect(text: str) -> Api:
    """A client for its current context. Raises UnusableKubeconfigError."""
    known = _checked(text)
    settings = client.Configuration()
    settings.connection_pool_maxsize = 32  # a watch holds a connection, and there are some seven
    try:
        await config.load_kube_config_from_dict(known, client_configuration=settings)
        return Api(client.ApiClient(settings))
    except (config.ConfigException, ValueError, OSError) as error:  # the last of certificates that are none
        raise UnusableKubeconfigError(f"the kubeconfig cannot be used: {error}") from error


def _checked(text: str) -> dict[str, Any]:
    """The current context alone, and of it what is taken."""
    try:
        whole = yaml.safe_load(text)
        context = _named(whole["contexts"], whole["current-context"])["context"]
        parts = {kind: _named(whole[f"{kind}s"], context[kind])[kind] for kind in TAKEN}
    except (yaml.YAMLError, KeyError, TypeError, StopIteration) as error:
        raise UnusableKubeconfigError("the kubeconfig has no current-context with its cluster and user") from error
    for kind, part in parts.items():
        if over := sorted(set(part) - TAKEN[kind]):
            said = f"the kubeconfig's {kind} has {', '.join(over)}, which is not taken"
            raise UnusableKubeconfigError(f"{said}; it may hold {', '.join(sorted(TAKEN[kind]))} alone")
    if not str(parts["cluster"].get("server", "")).startswith("https://"):
        raise UnusableKubeconfigError("the kubeconfig's server is no https:// address")
    named = {f"{kind}s": [{"name": "it", kind: part}] for kind, part in parts.items()}
    contexts = [{"name": "it", "context": {"cluster": "it", "user": "it"}}]
    return {"apiVersion": "v1", "kind": "Config", "current-context": "it", "contexts": contexts, **named}


def _named(listed: list[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    return next(one for one in listed if one["name"] == name)
