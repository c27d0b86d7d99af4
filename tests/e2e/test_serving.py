"""A service continues to serve during scaling and rolling updates, and recovers from a killed database server."""

from __future__ import annotations

from collections import Counter

from tests.e2e.support.cluster import Space, uids
from tests.e2e.support.storefront_client import Load, Storefront


def test_serving_scale_up(shop: Space, storefront: Storefront) -> None:
    """New pods in both zones receive calls, and no call fails."""
    with Load(storefront) as load:
        shop.kubectl("scale", "microservice/users", "--replicas=3")
        shop.until_ready("users")
        pods = {pod["metadata"]["name"] for pod in shop.pods("users")}
        load.until(lambda served: _shares(served, pods))
        nodes = {pod["spec"]["nodeName"] for pod in shop.pods("users")}

    assert len(pods) == 3
    assert len(nodes) > 1
    assert shop.get("poddisruptionbudget/users")["spec"]["maxUnavailable"] == 1


def test_serving_rolling_update(shop: Space, storefront: Storefront) -> None:
    """A rolling update loses no call."""
    before = uids(shop.pods("users"))
    with Load(storefront) as load:
        shop.spec("users", resources={"requests": {"cpu": "20m"}})
        shop.until_ready("users")
        pods = {pod["metadata"]["name"] for pod in shop.pods("users")}
        load.until(lambda served: _shares(served, pods))

    assert not before & uids(shop.pods("users"))


def test_serving_scale_down(shop: Space, storefront: Storefront) -> None:
    """A scale-down to one pod loses no call."""
    with Load(storefront) as load:
        shop.kubectl("scale", "microservice/users", "--replicas=1")
        shop.until_ready("users")
        shop.gone("poddisruptionbudget/users")
        (pod,) = shop.pods("users")
        load.until(lambda served: served[pod["metadata"]["name"]] >= 20)


def test_serving_database_killed(shop: Space, storefront: Storefront) -> None:
    """A service recovers from a killed database server, with its data and without effect on others."""
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
    """Whether each pod has served at least twenty of the latest calls."""
    return all(served[pod] >= 20 for pod in pods)
