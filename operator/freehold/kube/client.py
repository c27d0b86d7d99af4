"""A thin way to the API server: plain objects in and out, one event loop, no thread for a call.

Connections and credentials are the official client's; its models are not used, for plain dictionaries are what
server-side apply takes and what the core builds.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from asyncio.sslproto import SSLProtocol
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from kubernetes.aio import client, config

from freehold.core.model.resources import Object
from freehold.kube.errors import ClusterError, NoClusterError, TransientError, from_status
from freehold.kube.kinds import Kind

FIELD_MANAGER = "freehold"
REQUEST_SECONDS = 20.0
REQUESTS_AT_ONCE = 8
"""Each request at the same time needs a connection, which is kept for the next."""
READ_AT_ONCE = 32 * 1024
"""Bytes that asyncio sets aside for each encrypted connection, and for each read of it; left alone, 256 KiB. There are
as many connections as namespaces with services, and a record of TLS has 16 KiB at most (RFC 8446, 5.1)."""
WATCH_SECONDS = 50
"""A watch is renewed this often, so that one gone silent is noticed within a minute."""
PAGE = 50
"""Objects of a first list; what a whole page takes while it is read is never given back."""
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


async def connect() -> client.ApiClient:
    """A client for the cluster this process runs in, or for the one KUBECONFIG names. Raises NoClusterError."""
    return (await connect_to(None, None))[0]


async def connect_to(kubeconfig: str | None, context: str | None) -> tuple[client.ApiClient, str]:
    """A client for a context of a kubeconfig, and the namespace it names; None is what `connect` takes.

    Raises NoClusterError.
    """
    SSLProtocol.max_size = READ_AT_ONCE
    settings = client.Configuration()
    # Watches hold a connection each; requests must never wait for one of them, and are held back by `Api` itself.
    settings.connection_pool_maxsize = 256
    file = kubeconfig or os.environ.get("KUBECONFIG")
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ and not (file or context):
            config.load_incluster_config(client_configuration=settings)
            return client.ApiClient(settings), _home()
        loaded = await config.load_kube_config(file, context, client_configuration=settings)
        return client.ApiClient(settings), loaded.current_context["context"].get("namespace", "default")
    except TypeError as error:  # of the client's, when the file is empty or holds a text
        raise NoClusterError("it holds no contexts") from error
    except (config.ConfigException, yaml.YAMLError, OSError) as error:
        raise NoClusterError(str(error)) from error


def _home() -> str:
    """The namespace of the pod this process runs in."""
    file = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
    return file.read_text().strip() if file.exists() else "default"


class Api:
    """The verbs Freehold uses. Every method raises `ClusterError` or a kind of it."""

    def __init__(self, connection: client.ApiClient) -> None:
        self._connection = connection
        self._requests = asyncio.Semaphore(REQUESTS_AT_ONCE)

    @property
    def server(self) -> str:
        """The API server's address, as a URL."""
        return str(self._connection.configuration.host)

    async def close(self) -> None:
        await self._connection.close()

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        """The object, or None where there is none."""
        try:
            return await self._json("GET", kind.path(namespace, name))
        except ClusterError as error:
            if error.status == 404:
                return None
            raise

    async def pages(
        self, kind: Kind, namespace: str | None, labels: str = ""
    ) -> AsyncIterator[tuple[list[Object], str]]:
        """All objects of a kind, page by page, each with the resourceVersion to watch from once all are read."""
        query: dict[str, Any] = {"limit": PAGE, "labelSelector": labels}
        while True:
            page = await self._json("GET", kind.path(namespace), query)
            yield page.get("items", []), page["metadata"]["resourceVersion"]
            query["continue"] = page["metadata"].get("continue", "")
            if not query["continue"]:
                return

    async def watch(
        self, kind: Kind, namespace: str | None, labels: str, version: str
    ) -> AsyncIterator[tuple[str, Object]]:
        """What changes from a resourceVersion on, until the server ends it, bookmarks included."""
        seconds = WATCH_SECONDS + random.randrange(10)
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": seconds,
            "labelSelector": labels,
            "resourceVersion": version,
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_SECONDS, sock_read=seconds + 5)
        response = await self._send("GET", kind.path(namespace), query, timeout=timeout)
        try:
            async for line in _lines(response):
                change = json.loads(line)
                if change["type"] == "ERROR":
                    status = change["object"]
                    raise from_status(status.get("code", 500), status.get("message", "the watch failed"))
                yield change["type"], change["object"]
        finally:
            response.close()

    async def apply(self, kind: Kind, body: Object, *, subresource: str = "") -> Object:
        """Server-side apply (kubernetes.io/docs/reference/using-api/server-side-apply), by force."""
        metadata = body["metadata"]
        path = kind.path(metadata["namespace"], metadata["name"]) + (f"/{subresource}" if subresource else "")
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self._json("PATCH", path, query, body, content=APPLY)

    async def merge(self, kind: Kind, namespace: str, name: str, body: Object) -> Object:
        """A merge patch (RFC 7396)."""
        query = {"fieldManager": FIELD_MANAGER}
        return await self._json("PATCH", kind.path(namespace, name), query, body, content=MERGE)

    async def create(self, kind: Kind, namespace: str, body: Object) -> Object:
        return await self._json("POST", kind.path(namespace), {"fieldManager": FIELD_MANAGER}, body)

    async def delete(self, kind: Kind, namespace: str, name: str, preconditions: Object) -> None:
        """Delete the object that meets them, and what it owns in the background; one already gone is as good."""
        body = {"preconditions": preconditions, "propagationPolicy": "Background"}
        try:
            await self._json("DELETE", kind.path(namespace, name), None, body)
        except ClusterError as error:
            if error.status != 404:
                raise

    async def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Object | None = None,
        content: str = "application/json",
    ) -> Object:
        async with self._requests:
            response = await self._send(method, path, query, body, content)
            decoded: Object = await response.json()
        return decoded

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Object | None = None,
        content: str = "application/json",
        timeout: Any = REQUEST_SECONDS,  # noqa: ASYNC109 - handed to the client, which takes this or its own type
    ) -> aiohttp.ClientResponse:
        """Send and check the status; network trouble becomes an error that passes by itself."""
        headers = {"Accept": "application/json", "Content-Type": content}
        parameters = [(key, value) for key, value in (query or {}).items() if value != ""]
        try:
            request = await self._connection.param_serialize(
                method, path, query_params=parameters, header_params=headers, body=body, auth_settings=["BearerToken"]
            )
            answer = (await self._connection.call_api(*request, _request_timeout=timeout)).response
            if answer.status >= 400:
                raise from_status(answer.status, await _message(answer))
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise TransientError(0, f"the API server does not answer: {error or type(error).__name__}") from error
        response: aiohttp.ClientResponse = answer
        return response


async def _message(answer: aiohttp.ClientResponse) -> str:
    """The sentence of a Status object, or whatever was sent instead of one."""
    text = await answer.text()
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()[:500] or f"HTTP status {answer.status}"


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The lines of a stream; one that breaks or goes silent becomes an error that passes by itself."""
    try:
        async for line in response.content:
            if line.strip():
                yield line
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise TransientError(0, f"the watch broke: {error or type(error).__name__}") from error
