"""A thin asynchronous client of the API server, with plain dictionaries as objects.

Connections and credentials are those of the official client. The official client's models are not used, since
server-side apply takes plain objects and the core builds plain objects.
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
"""The number of concurrent requests; each needs a connection, which is kept."""
READ_AT_ONCE = 32 * 1024
"""The buffer of each TLS connection in bytes; asyncio's default is 256 KiB. The operator has a connection for each
namespace with services, and a TLS record has at most 16 KiB (RFC 8446, 5.1)."""
WATCH_SECONDS = 50
"""The duration of a watch; a connection that became silent is noticed within a minute."""
PAGE = 50
"""The number of objects in a page of a list; the process never returns the memory of the largest page."""
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


async def connect() -> client.ApiClient:
    """Return a client for the cluster of this pod, or for the cluster in KUBECONFIG. Raises NoClusterError."""
    return (await connect_to(None, None))[0]


async def connect_to(kubeconfig: str | None, context: str | None) -> tuple[client.ApiClient, str]:
    """Return a client for a context of a kubeconfig, and the namespace of the context.

    None means the defaults of `connect`. Raises NoClusterError.
    """
    SSLProtocol.max_size = READ_AT_ONCE
    settings = client.Configuration()
    # Each watch holds a connection. Requests must not wait for a watch, and are limited by `Api`.
    settings.connection_pool_maxsize = 256
    file = kubeconfig or os.environ.get("KUBECONFIG")
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ and not (file or context):
            config.load_incluster_config(client_configuration=settings)
            return client.ApiClient(settings), _pod_namespace()
        loaded = await config.load_kube_config(file, context, client_configuration=settings)
        return client.ApiClient(settings), loaded.current_context["context"].get("namespace", "default")
    except TypeError as error:  # raised by the official client for an empty file, or one that holds a string
        raise NoClusterError("it holds no contexts") from error
    except (config.ConfigException, yaml.YAMLError, OSError) as error:
        raise NoClusterError(str(error)) from error


def _pod_namespace() -> str:
    """Return the namespace of this pod."""
    file = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
    return file.read_text().strip() if file.exists() else "default"


class Api:
    """The verbs that Freehold uses. Each method raises ClusterError or a subclass."""

    def __init__(self, connection: client.ApiClient) -> None:
        self._connection = connection
        self._requests = asyncio.Semaphore(REQUESTS_AT_ONCE)

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return str(self._connection.configuration.host)

    async def close(self) -> None:
        await self._connection.close()

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        """Return an object, or None if it does not exist."""
        try:
            return await self._json("GET", kind.path(namespace, name))
        except ClusterError as error:
            if error.status == 404:
                return None
            raise

    async def pages(
        self, kind: Kind, namespace: str | None, labels: str = ""
    ) -> AsyncIterator[tuple[list[Object], str]]:
        """Yield the objects of a kind in pages, each with the resourceVersion from which to watch afterwards."""
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
        """Yield changes since a resourceVersion as pairs of type and object, bookmarks included, until the server ends
        the watch."""
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
        """Apply an object server-side, with force (kubernetes.io/docs/reference/using-api/server-side-apply). Returns
        the object as stored."""
        metadata = body["metadata"]
        path = kind.path(metadata["namespace"], metadata["name"]) + (f"/{subresource}" if subresource else "")
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self._json("PATCH", path, query, body, content=APPLY)

    async def merge(self, kind: Kind, namespace: str, name: str, body: Object) -> Object:
        """Send a merge patch (RFC 7396). Returns the object as stored."""
        query = {"fieldManager": FIELD_MANAGER}
        return await self._json("PATCH", kind.path(namespace, name), query, body, content=MERGE)

    async def create(self, kind: Kind, namespace: str, body: Object) -> Object:
        return await self._json("POST", kind.path(namespace), {"fieldManager": FIELD_MANAGER}, body)

    async def delete(self, kind: Kind, namespace: str, name: str, preconditions: Object) -> None:
        """Delete an object that meets the preconditions; owned objects follow in the background. A missing object is no
        error."""
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
        """Send a request and check the status. Raises TransientError for network errors."""
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
    """Return the message of a Status object, or the text of another answer."""
    text = await answer.text()
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()[:500] or f"HTTP status {answer.status}"


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield the lines of a stream. Raises TransientError if the connection breaks or becomes silent."""
    try:
        async for line in response.content:
            if line.strip():
                yield line
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise TransientError(0, f"the watch broke: {error or type(error).__name__}") from error
