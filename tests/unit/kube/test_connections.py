"""Connections of the client: requests do not wait for watches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import yaml
from aiohttp import web
from freehold.kube import kinds
from freehold.kube.client import Api, connect_to

WATCHES = 300


class Server:
    """An API server whose watches stay open. opened: set when WATCHES are open."""

    def __init__(self) -> None:
        self.opened, self.ended = asyncio.Event(), asyncio.Event()
        self._watches = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return web.json_response({"metadata": {"name": "tls"}})
        response = web.StreamResponse()
        await response.prepare(request)
        self._watches += 1
        if self._watches == WATCHES:
            self.opened.set()
        await self.ended.wait()
        return response

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve; yields the URL."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=512)
        await site.start()
        try:
            yield "http://{}:{}".format(*runner.addresses[0])
        finally:
            self.ended.set()
            await runner.cleanup()


def kubeconfig(folder: Path, server: str) -> str:
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    clusters, users = [{"name": "c", "cluster": {"server": server}}], [{"name": "u", "user": {}}]
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump({"contexts": [context], "clusters": clusters, "users": users}))
    return str(file)


async def test_requests_do_not_wait_for_watches(tmp_path: Path) -> None:
    """With hundreds of open watches, one a namespace, a request is answered."""
    server = Server()
    async with server.serving() as url:
        connection, _ = await connect_to(kubeconfig(tmp_path, url), "c")
        api = Api(connection)

        async def watch(namespace: str) -> None:
            async for _ in api.watch(kinds.SECRET, namespace, "", "1"):
                pass

        tasks = [asyncio.create_task(watch(f"n{index}")) for index in range(WATCHES)]
        try:
            async with asyncio.timeout(30):
                await server.opened.wait()
                assert await api.get(kinds.SECRET, "evil", "tls") == {"metadata": {"name": "tls"}}
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await api.close()
