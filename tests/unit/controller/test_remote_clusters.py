"""Remote clusters, with a real TLS server in the role of a hostile one: what is read, refused, and forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from freehold.controller import remote_cluster
from freehold.core.model.resources import Key
from freehold.kube.cluster_registry import CONFIG_MAP
from freehold.kube.kubeconfig import token

from tests.unit.controller.remote_world import VICTIM, Remote, World, world
from tests.unit.kube.remote_server import pod

PAYMENTS = Key("shop", "payments")
GOOD, OTHER, LOCAL = "10.2.0.6", "10.3.0.6", "10.2.9.6"


async def test_objects_of_another_cluster_stop_no_service(tmp_path: Path) -> None:
    """A resource that cannot be read is left out; every service of this cluster is reconciled, and the reason named."""
    async with world(tmp_path, Remote()) as made:
        await made.until(None)
        assert made.plans() and made.plans(VICTIM)
        await made.west.refresh()
        note = made.clusters.note(made.service())
        assert note.startswith("Microservice c is not used: spec"), note


async def test_only_addresses_of_the_registered_pods_are_written(tmp_path: Path) -> None:
    """Addresses of this cluster, of other networks and of no pod reach no EndpointSlice."""
    refused = (OTHER, LOCAL, "127.0.0.1", "169.254.169.254", "0.0.0.0/0", 7, None)
    pods = (pod(f"users-{number}", address) for number, address in enumerate((GOOD, *refused)))
    async with world(tmp_path, Remote(*pods)) as made:
        await made.until(None)
        assert made.addresses() == [GOOD]
        assert "and" in made.clusters.note(made.service())


async def test_unregistered_cluster_refused(tmp_path: Path) -> None:
    """A cluster that is not registered is never connected to, and the message names whom to ask."""
    remote = Remote()
    async with world(tmp_path, remote) as made:
        made.local.objects[CONFIG_MAP] = None
        await made.clusters.load()
        await made.until("cluster west is not registered; ask the platform team to register the cluster")
        before = len(remote.asked)
        await made.west.refresh()
        assert len(remote.asked) == before


async def test_registration_is_read_live(tmp_path: Path) -> None:
    """A cluster that is registered later becomes known without a restart."""
    async with world(tmp_path, Remote()) as made:
        registry = made.local.objects.pop(CONFIG_MAP)
        await made.clusters.load()
        await made.until("is not registered")
        made.local.objects[CONFIG_MAP] = registry
        await made.clusters.load()
        await made.until(None)


async def test_unreadable_registry_changes_nothing(tmp_path: Path) -> None:
    """While the registry cannot be read, the last one counts; before the first read, no cluster is registered."""
    async with world(tmp_path, Remote()) as made:
        await made.until(None)
        made.local.refuses = True
        await made.clusters.load()
        assert made.clusters.unknown(made.service()) is None
        fresh = World(made.local)
        await fresh.clusters.load()
        fresh.clusters.follow()
        made.local.refuses = False
        await fresh.until("the registration of cluster west cannot be used (not read yet)")
        await fresh.clusters.stop()


async def test_other_server_refused(tmp_path: Path) -> None:
    """A kubeconfig that names another server than the registered one is refused before any connection."""
    remote = Remote()
    async with world(tmp_path, remote) as made:
        made.local.objects["west"] = made.local.secret("https://192.0.2.9:6443", "2")
        await made.west.refresh()
        cause = made.clusters.unknown(made.service())
        assert cause and "names another server than https://127.0.0.1" in cause


async def test_refused_kubeconfig_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubeconfig that was refused is read again only after the Secret has changed."""
    read = []

    def reading(*given: Any) -> str:
        read.append(given)
        return token(*given)

    async with world(tmp_path, Remote()) as made:
        await made.until(None)
        monkeypatch.setattr(remote_cluster.kubeconfig, "token", reading)
        made.local.objects["west"] = {**made.local.secret("x", "2"), "data": {"value": "Ww=="}}
        for _ in range(3):
            await made.west.refresh()
        assert len(read) == 1
        made.local.objects["west"] = {**made.local.secret("x", "3"), "data": {"value": "Ww=="}}
        await made.west.refresh()
        assert len(read) == 2


async def test_addresses_expire(tmp_path: Path) -> None:
    """While a cluster is silent, addresses count for a while only; everything else stays as last seen."""
    remote = Remote(pod("users-1", GOOD))
    async with world(tmp_path, remote) as made:
        await made.until(None)
        remote.status = 500
        await made.west.refresh()
        assert made.addresses() == [GOOD]
        assert made.clusters.note(made.service()).startswith("as last seen, without a view of cluster west: ")
        made.west._checked -= 400
        await made.west.refresh()
        assert made.addresses() == []
        note = made.clusters.note(made.service())
        assert note.startswith("the addresses of pods have expired, without a view of cluster west: ")
        assert made.clusters.unknown(made.service()) is None, "the counterpart itself stays known"
        assert Key("shop@west", "users") in made.cache.services
        remote.status = 200
        await made.west.refresh()
        await made.until(None)
        assert made.addresses() == [GOOD]


async def test_secrets_of_unlinked_service_withheld(tmp_path: Path) -> None:
    """A service whose Secrets the token may not read is not known; the other services of the namespace are."""
    remote = Remote()
    remote.forbidden = {"payments-database-server"}
    async with world(tmp_path, remote) as made:
        await made.until(None)
        payments = made.put(PAYMENTS, "west")
        made.clusters.follow()
        assert made.clusters.unknown(payments) == "", "nothing is decided until the Secrets are read"
        await made.until("the token may not read secrets; make the link again", PAYMENTS)
        await made.west.refresh()
        assert made.clusters.unknown(made.service()) is None
        assert "without a view" not in made.clusters.note(made.service())
        assert not [path for path in remote.asked if path.endswith("/secrets")], "no Secret is listed"


async def test_clusters_of_a_namespace_bounded(tmp_path: Path) -> None:
    """A namespace may name four clusters; those that are watched already stay."""
    async with world(tmp_path, Remote()) as made:
        for number in range(6):
            made.put(Key("shop", f"s{number}"), f"a{number}")
        made.clusters.follow()
        assert len(made.clusters._followed) == 4 and "shop@west" in made.clusters._followed
        cause = made.clusters.unknown(made.service(Key("shop", "s5")))
        assert cause == "namespace shop names more than 4 clusters; name fewer"
