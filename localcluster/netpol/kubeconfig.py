"""Reads the API server's address and the client's credentials from the current context of a kubeconfig."""

from __future__ import annotations

import base64
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


class KubeconfigError(Exception):
    """The file lacks information that is needed to reach the API server."""


@dataclass(frozen=True)
class ApiServer:
    """The API server's address, the TLS settings to reach it, and the headers that identify the caller."""

    url: str
    tls: ssl.SSLContext | bool
    headers: dict[str, str]


def api_server(path: Path) -> ApiServer:
    """Read a kubeconfig with inline or file-based certificates and tokens; paths are relative to the file.

    Raises KubeconfigError if the current context has no cluster or no user.
    """
    config = yaml.safe_load(path.read_text())
    try:
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        url = cluster["server"].rstrip("/")
    except (KeyError, TypeError) as error:
        raise KubeconfigError(f"{path} lacks {error}: its current context must name a cluster and a user") from error
    token = _content(user, "token", path.parent, inline="token")
    headers = {"Authorization": f"Bearer {token.decode().strip()}"} if token else {}
    return ApiServer(url, _tls(cluster, user, path.parent) if url.startswith("https:") else False, headers)


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for entry in entries:
        if entry["name"] == name:
            return entry
    raise KeyError(name)


def _tls(cluster: dict[str, Any], user: dict[str, Any], folder: Path) -> ssl.SSLContext:
    authority = _content(cluster, "certificate-authority", folder)
    tls = ssl.create_default_context(cadata=authority.decode() if authority else None)
    certificate, key = (_content(user, kind, folder) for kind in ("client-certificate", "client-key"))
    if certificate and key:
        # The ssl module loads client certificates from files only.
        with tempfile.NamedTemporaryFile() as both:
            both.write(certificate + b"\n" + key)
            both.flush()
            tls.load_cert_chain(both.name)
    return tls


def _content(entry: dict[str, Any], name: str, folder: Path, inline: str = "") -> bytes:
    if inline and entry.get(inline):
        return str(entry[inline]).encode()
    if entry.get(f"{name}-data"):
        return base64.b64decode(entry[f"{name}-data"])
    file = entry.get(name if not inline else f"{name}File")
    return (folder / file).read_bytes() if file else b""
