"""A proxy of the API server that forwards all requests and counts writes.

After a given number of writes, the proxy calls a function before it forwards the answer, so that the client never
learns of the write: the worst moment for a process or a network to fail.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.api.cluster import credentials
from tests.api.operators import free_port

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "content-encoding", "host", "accept-encoding"}
KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{{name: proxy, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: nobody, user: {{}}}}]
contexts: [{{name: proxy, context: {{cluster: proxy, user: nobody}}}}]
current-context: proxy
"""


class Proxy:
    """A proxy in a thread of its own, until the tests end. created: how often each object was created, by path. writes:
    method, path and status of every write, without Events and Leases."""

    def __init__(self, upstream: Path, folder: Path) -> None:
        self.url, self._context = credentials(upstream)
        self.port = free_port()
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(KUBECONFIG.format(port=self.port))
        self.created: dict[str, int] = {}
        self.writes: list[tuple[str, str, int]] = []
        self._left, self._cut = -1, lambda: None
        self._ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        assert self._ready.wait(10)

    def cut_after(self, writes: int, call: Callable[[], None]) -> None:
        """Call a function after a number of further writes, before the last is answered."""
        self._left, self._cut = writes, call

    async def _serve(self) -> None:
        connector = aiohttp.TCPConnector(ssl=self._context, limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=True) as self._session:
            application = web.Application()
            application.router.add_route("*", "/{path:.*}", self._pass_on)
            runner = web.AppRunner(application)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            self._ready.set()
            await asyncio.Event().wait()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        headers = {key: value for key, value in request.headers.items() if key.lower() not in HOP_BY_HOP}
        body = await request.read() or None
        url = f"{self.url}{request.rel_url}"
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.request(request.method, url, headers=headers, data=body, timeout=timeout) as answer:
            if request.method != "GET" and not {"events", "leases"} & set(request.path.split("/")):
                name = f"/{json.loads(body or b'')['metadata']['name']}" if request.method == "POST" else ""
                self._count(request.method, request.path + name, answer.status)
            kept = {key: value for key, value in answer.headers.items() if key.lower() not in HOP_BY_HOP}
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            with suppress(aiohttp.ClientError, ConnectionError):  # either side may disconnect at any time
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
            return response

    def _count(self, method: str, path: str, status: int) -> None:
        self.writes.append((method, path, status))
        if status >= 400:
            return
        if status == 201:
            self.created[path] = self.created.get(path, 0) + 1
        self._left -= 1
        if self._left == 0:
            self._cut()
