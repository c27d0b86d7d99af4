"""A world with a service that moves to another cluster: the operator's parts, and a real TLS server as the cluster."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web
from freehold.controller.remote_cluster import RemoteCluster
from freehold.controller.remote_clusters import RemoteClusters
from freehold.core.model.case import Case
from freehold.core.model.resources import Key, Object, Plan, Service
from freehold.core.reconcile import reconcile
from freehold.kube import observation
from freehold.kube.cache import Cache
from freehold.kube.cluster_registry import CONFIG_MAP
from freehold.kube.errors import RefusedError
from freehold.kube.kinds import Kind

from tests.unit.core.worlds import NOW
from tests.unit.kube.remote_server import HOST, authority, listing, metadata, serving
from tests.unit.kube.test_observation import INPUTS, microservice

USERS, VICTIM = Key("shop", "users"), Key("people", "victim")


class Remote:
    """A remote API server. objects: by plural. status: of every answer."""

    def __init__(self, *pods: Object) -> None:
        there = {"image": "c:1", "grpc": {"port": 6443}, "placement": {"fromCluster": "east"}}
        status = {"replaces": "shop@east", "conditions": [{"type": "Ready", "status": "True"}]}
        users = {"metadata": metadata("users", generation=1), "spec": there, "status": status}
        spoiled = {"metadata": metadata("c", generation=1), "spec": {"placement": "x"}}
        self.objects: dict[str, list[Any]] = {"microservices": [users, spoiled], "pods": [*pods]}
        self.forbidden: set[str] = set()
        self.status = 200
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        *_, plural, name = request.path.split("/")
        if self.status != 200 or name in self.forbidden:
            return web.json_response({"message": "internal"}, status=403 if name in self.forbidden else self.status)
        if plural == "secrets":
            return web.json_response({}, status=404)
        if "watch" in request.query:
            await asyncio.sleep(60)
        return web.json_response(listing(*self.objects.get(name, [])))


class Local:
    """The operator's own API server, with the registry and the Secrets of a namespace."""

    server = "https://192.0.2.1"
    refuses = False

    def __init__(self, server: str, **registered: Object) -> None:
        west = {"server": server, "certificateAuthority": authority().public.trusted, "tlsServerName": HOST}
        west |= {"podCIDRs": ["10.2.0.0/16"]}
        text = {"clusters": {"west": west, **registered}, "localCIDRs": ["10.2.9.0/24"]}
        self.objects: dict[str, Object | None] = {CONFIG_MAP: {"data": {"clusters.yaml": yaml.safe_dump(text)}}}
        self.objects["west"] = self.secret(server)

    def secret(self, server: str, version: str = "1") -> Object:
        text = yaml.safe_dump(
            {
                "current-context": "a",
                "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
                "clusters": [{"name": "a", "cluster": {"server": server}}],
                "users": [{"name": "a", "user": {"token": "t"}}],
            }
        )
        return {
            "metadata": {"uid": "s", "resourceVersion": version},
            "data": {"value": base64.b64encode(text.encode()).decode()},
        }

    async def get(self, _: Kind, __: str, name: str) -> Object | None:
        if self.refuses:
            raise RefusedError(403, "forbidden")
        return self.objects.get(name)


class World:
    """Users of namespace shop moves to cluster west, and consumes a victim in another namespace."""

    def __init__(self, local: Local) -> None:
        self.local = local
        self.cache = Cache(lambda _: None)
        self.clusters = RemoteClusters(local, self.cache, "freehold-system")  # type: ignore[arg-type]
        self.put(VICTIM)
        self.put(USERS, "west", consumes=[{"name": "victim", "namespace": "people"}], grpc={"port": 6443})

    def put(self, key: Key, cluster: str = "", **spec: object) -> Service:
        live = microservice(key, uid=str(key), **({"placement": {"cluster": cluster}} if cluster else {}), **spec)
        self.cache.put_service(live, *observation.declared(live))
        return observation.parse(live)

    def service(self, key: Key = USERS) -> Service:
        return observation.parse(self.cache.services[key].unpack())

    def plans(self, key: Key = USERS) -> tuple[Plan, ...]:
        service = self.service(key)
        return reconcile(Case(service, observation.observe(self.cache, service, INPUTS, {}, NOW)))

    def addresses(self) -> list[str]:
        """Return the addresses of the planned EndpointSlices."""
        slices = [o for plan in self.plans() for o in plan.objects if o["kind"] == "EndpointSlice"]
        return [address for live in slices for point in live["endpoints"] for address in point["addresses"]]

    @property
    def west(self) -> RemoteCluster:
        return self.clusters._followed["shop@west"][0]

    async def until(self, cause: str | None, key: Key = USERS) -> str | None:
        """Wait until the cause why a service is not known contains a text, or is None."""
        async with asyncio.timeout(60):
            while True:
                found = self.clusters.unknown(self.service(key))
                if found == cause or (found and cause and cause in found):
                    return found
                await asyncio.sleep(0.01)


@asynccontextmanager
async def world(tmp_path: Path, remote: Remote, **registered: Object) -> AsyncIterator[World]:
    async with serving(remote.answer, tmp_path) as server:
        made = World(Local(server, **registered))
        await made.clusters.load()
        made.clusters.follow()
        try:
            yield made
        finally:
            await made.clusters.stop()
