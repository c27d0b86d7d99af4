"""What the operator may do: exactly what it does, and no more."""

from __future__ import annotations

import itertools

import pytest
from freehold.kube import kinds
from freehold.kube.kinds import Kind

from tests.unit.delivery.helm import Object, of_kind, render, the

WATCHED = {"list", "watch"}
WRITTEN = {"get", "list", "watch", "create", "patch"}
PRUNED = WRITTEN | {"delete"}
NEVER_DELETED = {"Deployment"}
Rights = dict[tuple[str, str], set[str]]


def rights(rules: list[Object]) -> Rights:
    """(API group, resource) → verbs."""
    found: Rights = {}
    for rule in rules:
        for group, resource in itertools.product(rule["apiGroups"], rule["resources"]):
            found.setdefault((group, resource), set()).update(rule["verbs"])
    return found


def resource(kind: Kind) -> tuple[str, str]:
    return kind.api.rpartition("/")[0], kind.plural


def in_a_namespace() -> Rights:
    """What the operator's code watches and writes in each namespace but Secrets, from its own list of kinds."""
    others = [kind for kind in kinds.OWNED if kind is not kinds.SECRET]
    owned = {resource(kind): WRITTEN if kind.name in NEVER_DELETED else PRUNED for kind in others}
    group, plural = resource(kinds.MICROSERVICE)
    return owned | {
        (group, plural): WATCHED,
        (group, f"{plural}/status"): {"patch"},
        resource(kinds.POD): WATCHED,
        resource(kinds.EVENT): {"create"},
    }


CLUSTER_WIDE = {resource(kind): WATCHED for kind in (kinds.NAMESPACE, kinds.STORAGE_CLASS)}


def test_the_cluster_role_is_exactly_what_the_operator_uses() -> None:
    objects = render()
    assert rights(the(objects, "ClusterRole", "freehold")["rules"]) == in_a_namespace() | CLUSTER_WIDE
    assert rights(the(objects, "ClusterRole", "freehold-secrets")["rules"]) == {("", "secrets"): WRITTEN}


def test_another_cluster_may_look_at_what_a_move_needs_and_touch_nothing() -> None:
    looked_at = {resource(kind): WATCHED for kind in (kinds.MICROSERVICE, *kinds.MOVING)}
    assert rights(the(render(), "ClusterRole", "freehold-remote-reader")["rules"]) == looked_at


def test_secrets_are_read_nowhere_but_where_somebody_binds_it() -> None:
    objects = render()
    assert [binding["roleRef"]["name"] for binding in of_kind(objects, "ClusterRoleBinding")] == ["freehold"]
    (home,) = of_kind(objects, "Role")
    assert home["metadata"]["namespace"] == "freehold-system"
    named = [rule for rule in home["rules"] if rule.get("resourceNames") == ["freehold-ca"]]
    others = [rule for rule in home["rules"] if rule not in named]
    assert rights(named) == {("", "secrets"): {"get", "patch"}}
    assert rights(others) == {("", "secrets"): {"create"}, ("events.k8s.io", "events"): {"create"}}


def test_named_namespaces_get_a_role_each_and_the_cluster_role_shrinks() -> None:
    objects = render("namespaces={shop,accounts}")
    assert rights(the(objects, "ClusterRole", "freehold")["rules"]) == CLUSTER_WIDE
    named = [role for role in of_kind(objects, "Role") if role["metadata"]["name"] == "freehold"]
    roles = {role["metadata"]["namespace"]: rights(role["rules"]) for role in named}
    assert roles == {"shop": in_a_namespace(), "accounts": in_a_namespace()}
    bound = {(b["metadata"]["namespace"], b["roleRef"]["name"]) for b in of_kind(objects, "RoleBinding")}
    assert {("shop", "freehold-secrets"), ("accounts", "freehold-secrets")} <= bound
    (container,) = the(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert {"name": "FREEHOLD_NAMESPACES", "value": "shop,accounts"} in container["env"]


@pytest.mark.parametrize("namespaces", [(), ("shop",)])
def test_every_binding_names_the_operator_alone(namespaces: tuple[str, ...]) -> None:
    objects = render(*(f"namespaces={{{name}}}" for name in namespaces))
    account = the(objects, "ServiceAccount")
    subject = {"kind": "ServiceAccount", "name": "freehold", "namespace": "freehold-system"}
    bindings = [*of_kind(objects, "ClusterRoleBinding"), *of_kind(objects, "RoleBinding")]
    assert len(bindings) == 2 + 2 * len(namespaces)
    assert [binding["subjects"] for binding in bindings] == [[subject]] * len(bindings)
    assert account["automountServiceAccountToken"] is False


def test_nothing_grants_everything_or_more_rights() -> None:
    for role in of_kind(render(), "ClusterRole"):
        granted = rights(role["rules"])
        assert not {"*", "bind", "escalate", "impersonate"} & set().union(*granted.values())
        assert not any("*" in key or "rbac.authorization.k8s.io" in key for key in granted)


def test_people_get_what_their_role_in_the_namespace_says() -> None:
    objects = render()
    view, edit = (the(objects, "ClusterRole", f"freehold-{role}") for role in ("view", "edit"))
    aggregate = "rbac.authorization.k8s.io/aggregate-to-"
    assert {f"{aggregate}{role}" for role in ("view", "edit", "admin")} <= set(view["metadata"]["labels"])
    assert f"{aggregate}view" not in edit["metadata"]["labels"]
    assert f"{aggregate}edit" in edit["metadata"]["labels"]
    assert set().union(*rights(view["rules"]).values()) == {"get", "list", "watch"}
    assert ("freehold.dev", "microservices/status") not in rights(edit["rules"])
    assert not [role for role in of_kind(render("rbac.aggregate=false"), "ClusterRole") if "aggregate" in str(role)]


def test_service_bindings_may_be_resolved() -> None:
    role = the(render(), "ClusterRole", "freehold-servicebinding")
    assert role["metadata"]["labels"]["servicebinding.io/controller"] == "true"
    assert rights(role["rules"]) == {("freehold.dev", "microservices"): {"get", "list", "watch"}}
