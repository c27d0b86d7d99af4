"""Tokens from kubeconfigs in Secrets.

Everybody who may write Secrets in a namespace can supply a kubeconfig. Hence a kubeconfig only supplies a bearer token:
server and certificate authority come from the registry of the platform team (`cluster_registry.py`). A plugin would run
inside the operator, and a file name would mean a file of the operator (kubernetes.io, 'kubeconfig'); both are refused.
"""

from __future__ import annotations

import base64
import re
from typing import Any

import yaml

from freehold.core.model.resources import Object
from freehold.kube.cluster_registry import Cluster, https_server

KEYS = ("value", "kubeconfig")
"""The keys of a kubeconfig in a Secret; `value` is the key of Cluster API."""
ALLOWED = {"cluster": {"server", "certificate-authority-data"}, "user": {"token"}}
LARGEST_BYTES = 65536
LONGEST_TOKEN = 16384
DEEPEST, MOST_EVENTS = 16, 4096
"""The levels and the parts (YAML 1.2, 3.1.1 'serialization events') of a kubeconfig that is read."""
LINK = "create the Secret with `kubectl freehold cluster link`"


class UnusableKubeconfigError(Exception):
    """The kubeconfig of a remote cluster is missing or refused; the message has the cause and the action."""


def token(name: str, secret: Object | None, registered: Cluster) -> str:
    """Return the bearer token in the Secret of a cluster. Raises UnusableKubeconfigError.

    name: of the Secret. secret: the Secret, or None if it does not exist. registered: the cluster, whose server the
    kubeconfig must name.
    """
    parts = _current(_text(name, secret))
    for kind, part in parts.items():
        if refused := sorted(set(part) - ALLOWED[kind]):
            known = [key for key in refused if re.fullmatch(r"[A-Za-z-]{1,40}", key)] or ["unknown fields"]
            cause = f"the kubeconfig's {kind} has {', '.join(known[:5])}, which is refused"
            raise UnusableKubeconfigError(f"{cause}; use only {', '.join(sorted(ALLOWED[kind]))}; {LINK}")
    if _server(parts["cluster"].get("server")) != registered.server:
        cause = f"the kubeconfig in Secret {name} names another server than {registered.server}, which is registered"
        raise UnusableKubeconfigError(f"{cause}; {LINK} --server={registered.server}")
    found = parts["user"].get("token")
    if not isinstance(found, str) or not (0 < len(found) <= LONGEST_TOKEN and found.isascii() and found.isprintable()):
        raise UnusableKubeconfigError(f"the kubeconfig in Secret {name} has no token; {LINK}")
    return found


def _text(name: str, secret: Object | None) -> str:
    """Return the kubeconfig in a Secret. Raises UnusableKubeconfigError."""
    if secret is None:
        raise UnusableKubeconfigError(f"Secret {name} with the kubeconfig does not exist; {LINK}")
    data = secret.get("data", {})
    encoded = next((data[key] for key in KEYS if key in data), None)
    if encoded is None:
        raise UnusableKubeconfigError(f"Secret {name} has no key {' or '.join(KEYS)} with a kubeconfig; {LINK}")
    if len(encoded) > LARGEST_BYTES * 4 // 3 + 4:
        raise UnusableKubeconfigError(f"the kubeconfig in Secret {name} is larger than {LARGEST_BYTES} bytes; {LINK}")
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except ValueError as error:
        raise UnusableKubeconfigError(f"the kubeconfig in Secret {name} is not UTF-8 text; {LINK}") from error


def _current(text: str) -> dict[str, dict[str, Any]]:
    """Return cluster and user of the current context. Raises UnusableKubeconfigError."""
    try:
        _check_shape(text)
        whole = yaml.load(text, yaml.CBaseLoader)  # every scalar stays a string
        context = _named(whole["contexts"], whole["current-context"])["context"]
        parts = {kind: _named(whole[f"{kind}s"], context[kind])[kind] for kind in ALLOWED}
    except (yaml.YAMLError, KeyError, TypeError, StopIteration) as error:
        raise UnusableKubeconfigError(
            f"the kubeconfig has no current-context with its cluster and user; {LINK}"
        ) from error
    if not all(isinstance(part, dict) and all(isinstance(key, str) for key in part) for part in parts.values()):
        raise UnusableKubeconfigError(f"the kubeconfig's cluster and user are no maps; {LINK}")
    return parts


def _check_shape(text: str) -> None:
    """Raise UnusableKubeconfigError for aliases, which multiply what they name, and for a deep or long document."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, yaml.CBaseLoader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent) or depth > DEEPEST or number > MOST_EVENTS:
            raise UnusableKubeconfigError(f"the kubeconfig has aliases, or too many parts or levels; {LINK}")


def _named(entries: Any, name: Any) -> Any:
    return next(entry for entry in entries if entry["name"] == name)


def _server(url: Any) -> str:
    """Return the server of a kubeconfig in the registry's form; empty for no server."""
    try:
        return https_server(url) if isinstance(url, str) else ""
    except ValueError:
        return ""
