"""A service goes on serving: while it grows, while it is replaced, and when its database server dies."""

from __future__ import annotations

from collections import Counter

from tests.e2e.support.cluster import Space, uids
from tests.e2e.support.storefront_client import Load, Storefront


def test_new_pods_get_traffic_in_both_zones(shop: Space, storefront: Storefront) -> None:
    with Load(storefront) as load:
        shop.kubectl("scale", "microservice/users", "--replicas=3")
        shop.until_ready("users")
        pods = {pod["metadata"]["name"] for pod in shop.pods("users")}
        load.until(lambda served: _shares(served, pods))
        nodes = {pod["spec"]["nodeName"] for pod in shop.pods("users")}

    assert len(pods) == 3
    assert len(nodes) > 1
    assert shop.get("poddisruptionbudget/users")["spec"]["maxUnavailable"] == 1


def test_a_rolling_update_loses_no_call(shop: Space, storefront: Storefront) -> None:
    before = uids(shop.pods("users"))
    with Load(storefront) as load:
        shop.spec("users", resources={"requests": {"cpu": "20m"}})
        shop.until_ready("users")
        pods = {pod["metadata"]["name"] for pod in shop.pods("users")}
        load.until(lambda served: _shares(served, pods))

    assert not before & uids(shop.pods("users"))


def test_fewer_pods_lose_no_call(shop: Space, storefront: Storefront) -> None:
    with Load(storefront) as load:
        shop.kubectl("scale", "microservice/users", "--replicas=1")
        shop.until_ready("users")
        shop.gone("poddisruptionbudget/users")
        (pod,) = shop.pods("users")
        load.until(lambda served: served[pod["metadata"]["name"]] >= 20)


def test_it_recovers_when_its_database_server_is_killed(shop: Space, storefront: Storefront) -> None:
    email, _ = storefront.purchase()
    others = uids(shop.pods("payments")) | uids(shop.pods("payments", "database"))
    killed = shop.get("pod/users-database-0")["metadata"]["uid"]

    shop.kubectl("delete", "pod", "users-database-0", "--grace-period=0", "--force")

    shop.until("pod/users-database-0", lambda pod: pod["metadata"]["uid"] != killed)
    shop.until_ready("users")
    found = storefront.until("/api/users", 200)
    assert email in [user["email"] for user in found.body["users"]]
    assert others == uids(shop.pods("payments")) | uids(shop.pods("payments", "database"))


def _shares(served: Counter[str], pods: set[str]) -> bool:
    """Whether each pod, and nobody else, serves a fair part of the latest calls."""
    return all(served[pod] >= 20 for pod in pods)
