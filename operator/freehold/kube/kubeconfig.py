"""Clients from kubeconfigs in Secrets.

Everybody who may write Secrets in a namespace can supply a kubeconfig, hence only inline credentials are accepted: a
plugin would run inside the operator, and a file name would mean a file of the operator (kubernetes.io, 'kubeconfig').
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
"""The keys of a kubeconfig in a Secret; `value` is the key of Cluster API."""
ALLOWED = {
    "cluster": {"server", "certificate-authority-data", "tls-server-name"},
    "user": {"token", "client-certificate-data", "client-key-data"},
}
NAME = "remote"
"""The name of the context, cluster and user in the checked kubeconfig."""
LINK = "create the Secret with `kubectl freehold cluster link`"


class UnusableKubeconfigError(Exception):
    """The kubeconfig of a remote cluster is missing or refused; the message has the cause and the action."""


def of(name: str, secret: Object | None) -> str:
    """Return the kubeconfig in the Secret of a cluster. Raises UnusableKubeconfigError.

    name: of the Secret. secret: the Secret, or None if it does not exist.
    """
    if secret is None:
        raise UnusableKubeconfigError(f"Secret {name} with the kubeconfig does not exist; {LINK}")
    data = secret.get("data", {})
    encoded = next((data[key] for key in KEYS if key in data), None)
    if encoded is None:
        raise UnusableKubeconfigError(f"Secret {name} has no key {' or '.join(KEYS)} with a kubeconfig; {LINK}")
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except ValueError as error:
        raise UnusableKubeconfigError(f"the kubeconfig in Secret {name} is not UTF-8 text; {LINK}") from error


async def connect(text: str) -> Api:
    """Return a client for the current context of a kubeconfig. Raises UnusableKubeconfigError."""
    checked = _checked(text)
    settings = client.Configuration()
    settings.connection_pool_maxsize = 32  # each of about seven watches holds a connection
    try:
        await config.load_kube_config_from_dict(checked, client_configuration=settings)
        return Api(client.ApiClient(settings))
    except (config.ConfigException, ValueError, OSError) as error:  # OSError: an invalid certificate
        raise UnusableKubeconfigError(f"the kubeconfig cannot be used: {error}; {LINK}") from error


def _checked(text: str) -> dict[str, Any]:
    """Return a kubeconfig with only the current context. Raises UnusableKubeconfigError for fields not in ALLOWED."""
    try:
        whole = yaml.safe_load(text)
        context = _named(whole["contexts"], whole["current-context"])["context"]
        parts = {kind: _named(whole[f"{kind}s"], context[kind])[kind] for kind in ALLOWED}
    except (yaml.YAMLError, KeyError, TypeError, StopIteration) as error:
        raise UnusableKubeconfigError(
            f"the kubeconfig has no current-context with its cluster and user; {LINK}"
        ) from error
    for kind, part in parts.items():
        if refused := sorted(set(part) - ALLOWED[kind]):
            cause = f"the kubeconfig's {kind} has {', '.join(refused)}, which is refused"
            raise UnusableKubeconfigError(f"{cause}; use only {', '.join(sorted(ALLOWED[kind]))}")
    if not str(parts["cluster"].get("server", "")).startswith("https://"):
        raise UnusableKubeconfigError(f"the kubeconfig's server is not an https:// address; {LINK}")
    sections = {f"{kind}s": [{"name": NAME, kind: part}] for kind, part in parts.items()}
    contexts = [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}]
    return {"apiVersion": "v1", "kind": "Config", "current-context": NAME, "contexts": contexts, **sections}


def _named(entries: list[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)
