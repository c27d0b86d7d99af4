"""A thin asynchronous client of the API server, with plain dictionaries as objects.

Connections and credentials are those of the official client. The official client's models are not used, since
server-side apply takes plain objects and the core builds plain objects.
"""

from __future__ import annotations

import math
import os
import random
from asyncio.sslproto import SSLProtocol
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from kubernetes.aio import client, config

from freehold.core.model.resources import Object
from freehold.kube.bodies import LARGEST, TooLargeError, decoded, lines, message_of, read
from freehold.kube.errors import ClusterError, NoClusterError, TransientError, from_status
from freehold.kube.kinds import Kind
from freehold.kube.turns import Turns

FIELD_MANAGER = "freehold"
REQUEST_SECONDS = 20.0
REQUESTS_AT_ONCE = 8
"""The number of concurrent requests, for which namespaces take turns; each needs a connection, which is kept."""
READ_AT_ONCE = 32 * 1024
"""The buffer of each TLS connection in bytes; asyncio's default is 256 KiB. The operator has a connection for each
namespace with services, and a TLS record has at most 16 KiB (RFC 8446, 5.1)."""
WATCH_SECONDS = 50
"""The duration of a watch; a connection that became silent is noticed within a minute."""
PAGE = 50
"""The most objects in a page of a list; the process never returns the memory of the largest page."""
PAGE_BYTES = 2 * 1024 * 1024
"""The most bytes of a page with several objects; a larger page is asked for again with fewer objects."""
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
    # Each watch holds a connection. Requests must not wait for a watch, and are limited by `Api`; 0 means no limit.
    settings.connection_pool_maxsize = 0
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
    """The verbs that Freehold uses. Each method raises ClusterError or a subclass.

    connection: of this object alone, and without a request so far. may_write_for: returns the seconds for which this
    process may write. Asked before each write, which is not sent without time left, and given up when the time is over:
    a process may be paused while it connects. Asked again right before aiohttp sends the content, in a later task.
    """

    def __init__(self, connection: client.ApiClient, may_write_for: Callable[[], float] = lambda: math.inf) -> None:
        self._connection = connection
        self._may_write_for = may_write_for
        self._requests = Turns(REQUESTS_AT_ONCE)
        sending = aiohttp.TraceConfig()
        sending.on_request_chunk_sent.append(self._check_time_left)  # aiohttp calls it before it sends the content
        connection.configuration.trace_configs = [sending]

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return str(self._connection.configuration.host)

    async def close(self) -> None:
        await self._connection.close()

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        """Return an object, or None if it does not exist."""
        try:
            return await self._json("GET", kind, namespace, name)
        except ClusterError as error:
            if error.status == 404:
                return None
            raise

    async def pages(
        self, kind: Kind, namespace: str | None, labels: str = ""
    ) -> AsyncIterator[tuple[list[Object], str]]:
        """Yield the objects of a kind in pages, each with the resourceVersion from which to watch afterwards."""
        query: dict[str, Any] = {"limit": PAGE, "labelSelector": labels, "fieldSelector": kind.fields}
        while True:
            largest = PAGE_BYTES if query["limit"] > 1 else LARGEST
            try:
                page = await self._json("GET", kind, namespace, query=query, largest=largest)
            except TooLargeError:
                if query["limit"] == 1:
                    raise
                query["limit"] = max(query["limit"] // 4, 1)
                continue
            items, metadata = page.get("items") or [], page.get("metadata")
            if not isinstance(items, list) or not isinstance(metadata, dict):
                raise TransientError(500, f"the answer is no list of {kind.plural}")
            yield items, str(metadata.get("resourceVersion", ""))
            query |= {"limit": min(2 * query["limit"], PAGE), "continue": str(metadata.get("continue", ""))}
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
            "fieldSelector": kind.fields,
            "resourceVersion": version,
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_SECONDS, sock_read=seconds + 5)
        response = await self._send("GET", kind.path(namespace), query, timeout=timeout)
        try:
            async for line in lines(response):
                yield _change(await decoded(line))
        finally:
            response.close()

    async def apply(self, kind: Kind, body: Object, *, subresource: str = "") -> Object:
        """Apply an object server-side, with force (kubernetes.io/docs/reference/using-api/server-side-apply). Returns
        the object as stored."""
        metadata = body["metadata"]
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        name = metadata["name"] + (f"/{subresource}" if subresource else "")
        return await self._json("PATCH", kind, metadata["namespace"], name, query, body, content=APPLY)

    async def merge(self, kind: Kind, namespace: str, name: str, body: Object) -> Object:
        """Send a merge patch (RFC 7396). Returns the object as stored."""
        query = {"fieldManager": FIELD_MANAGER}
        return await self._json("PATCH", kind, namespace, name, query, body, content=MERGE)

    async def create(self, kind: Kind, namespace: str, body: Object) -> Object:
        return await self._json("POST", kind, namespace, query={"fieldManager": FIELD_MANAGER}, body=body)

    async def delete(self, kind: Kind, namespace: str, name: str, preconditions: Object) -> None:
        """Delete an object that meets the preconditions; owned objects follow in the background. A missing object is no
        error."""
        body = {"preconditions": preconditions, "propagationPolicy": "Background"}
        try:
            await self._json("DELETE", kind, namespace, name, body=body)
        except ClusterError as error:
            if error.status != 404:
                raise

    async def _json(
        self,
        method: str,
        kind: Kind,
        namespace: str | None,
        name: str | None = None,
        query: Mapping[str, Any] | None = None,
        body: Object | None = None,
        content: str = "application/json",
        largest: int = LARGEST,
    ) -> Object:
        """Return the decoded answer. Raises TooLargeError for an answer of more than `largest` bytes."""
        path = kind.path(namespace, name)
        async with self._requests.place(namespace or ""):
            left = math.inf if method == "GET" else self._may_write_for()
            if left <= 0:
                raise TransientError(0, f"{method} {path} was not sent: this operator is not the leader any more")
            seconds = min(REQUEST_SECONDS, left)
            return await decoded(await read(await self._send(method, path, query, body, content, seconds), largest))

    async def _check_time_left(self, *_: object) -> None:
        """Raise TransientError if this process may not write, so that the content of a request is not sent."""
        if self._may_write_for() <= 0:
            raise TransientError(0, "a write was not sent: this operator is not the leader any more")

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
                raise from_status(answer.status, await message_of(answer))
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            if isinstance(error.__cause__, TransientError):  # raised by _check_time_left, wrapped by aiohttp
                raise error.__cause__ from error
            raise TransientError(0, f"the API server does not answer: {error or type(error).__name__}") from error
        response: aiohttp.ClientResponse = answer
        return response


def _change(event: Object) -> tuple[str, Object]:
    """Return type and object of a change. Raises ClusterError for an error of the server."""
    what, live = event.get("type"), event.get("object")
    if not isinstance(live, dict):
        raise TransientError(500, "a change of the watch has no object")
    if what == "ERROR":
        raise from_status(live.get("code", 500), str(live.get("message", "the watch failed")))
    return str(what), live
