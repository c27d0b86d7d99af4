"""An object that somebody keeps undoing."""

from __future__ import annotations

from freehold.core.model.resources import Object

from tests.api.cluster import Cluster, until
from tests.api.operators import Operator
from tests.api.shop import microservice


def test_contested_object_is_reported(cluster: Cluster, operator: Operator, home: str) -> None:
    """A network policy that another field manager keeps changing is reported with the manager, and put right once the
    manager stops."""
    assert operator.alive()
    cluster.create(microservice(home))
    cluster.ready(home)
    declared = _types(cluster, home)

    def undo() -> Object | None:
        if _types(cluster, home) == declared:
            changed = {"spec": {"policyTypes": ["Ingress"]}}
            cluster.patch("NetworkPolicy", home, "users", changed, fieldManager="vandal")
        found = cluster.conditions(home, "users").get("Ready", {})
        return found if found.get("reason") == "Contested" else None

    found = until(undo, lambda: f"the policy is contested; it says {cluster.conditions(home, 'users')}")
    assert found["status"] == "False"
    assert 'NetworkPolicy users is not as declared; field manager "vandal" changes' in found["message"]
    until(lambda: _types(cluster, home) == declared, "the policy is put right")
    cluster.ready(home)


def _types(cluster: Cluster, namespace: str) -> list[str]:
    policy = cluster.get("NetworkPolicy", namespace, "users")
    assert policy is not None
    return list(policy["spec"]["policyTypes"])
