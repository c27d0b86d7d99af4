"""The rights of the operator: exactly those that the code uses."""

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
    """Return the verbs of each API group and resource."""
    found: Rights = {}
    for rule in rules:
        for group, resource in itertools.product(rule["apiGroups"], rule["resources"]):
            found.setdefault((group, resource), set()).update(rule["verbs"])
    return found


def resource(kind: Kind) -> tuple[str, str]:
    return kind.api.rpartition("/")[0], kind.plural


def namespace_rights() -> Rights:
    """Return the rights in a managed namespace, without Secrets, from the operator's list of kinds."""
    others = [kind for kind in kinds.OWNED if kind is not kinds.SECRET]
    owned = {resource(kind): WRITTEN if kind.name in NEVER_DELETED else PRUNED for kind in others}
    group, plural = resource(kinds.MICROSERVICE)
    return owned | {
        (group, plural): WATCHED,
        (group, f"{plural}/status"): {"patch"},
        resource(kinds.POD): WATCHED,
        resource(kinds.EVENT): WATCHED | {"create"},
    }


CLUSTER_WIDE = {resource(kind): WATCHED for kind in (kinds.NAMESPACE, kinds.STORAGE_CLASS)}


def test_cluster_role_exact() -> None:
    """The ClusterRoles have exactly the rights that the operator uses."""
    objects = render()
    assert rights(the(objects, "ClusterRole", "freehold")["rules"]) == namespace_rights() | CLUSTER_WIDE
    assert rights(the(objects, "ClusterRole", "freehold-secrets")["rules"]) == {("", "secrets"): WRITTEN}


def test_admission_policy_covers_rights() -> None:
    """The admission policies judge every kind that the operator may write, Events and statuses excepted, in each
    operation; without the value there are none."""
    objects = render()
    policy = the(objects, "ValidatingAdmissionPolicy", "freehold-objects")["spec"]
    rules = policy["matchConstraints"]["resourceRules"]
    judged = {(group, plural) for rule in rules for group in rule["apiGroups"] for plural in rule["resources"]}
    unjudged = {
        resource(kinds.EVENT),
        (kinds.MICROSERVICE.api.partition("/")[0], f"{kinds.MICROSERVICE.plural}/status"),
    }
    written = {key for key, verbs in namespace_rights().items() if "create" in verbs or "patch" in verbs}
    assert judged == written - unjudged | {("", "secrets"), ("coordination.k8s.io", "leases")}
    assert all(rule["operations"] == ["CREATE", "UPDATE", "DELETE"] for rule in rules)
    (operator,) = policy["matchConditions"]
    assert "'system:serviceaccount:freehold-system:freehold'" in operator["expression"]
    bound = {one["spec"]["policyName"] for one in of_kind(objects, "ValidatingAdmissionPolicyBinding")}
    assert bound == {one["metadata"]["name"] for one in of_kind(objects, "ValidatingAdmissionPolicy")}
    assert not of_kind(render("admissionPolicy.enabled=false"), "ValidatingAdmissionPolicy")


def test_remote_reader_exact() -> None:
    """A remote cluster may list and watch the kinds of a move, without Secrets, and write nothing."""
    expected = {resource(kind): WATCHED for kind in (kinds.MICROSERVICE, *kinds.MOVING)}
    assert rights(the(render(), "ClusterRole", "freehold-remote-reader")["rules"]) == expected


def test_secrets_need_grant() -> None:
    """Without a grant, only Secret freehold-ca and the registry in the operator's namespace may be read, and one Lease
    be written."""
    objects = render()
    assert [binding["roleRef"]["name"] for binding in of_kind(objects, "ClusterRoleBinding")] == ["freehold"]
    (home,) = of_kind(objects, "Role")
    assert home["metadata"]["namespace"] == "freehold-system"
    named = [rule for rule in home["rules"] if rule.get("resourceNames") == ["freehold-ca"]]
    registry = [rule for rule in home["rules"] if rule.get("resourceNames") == ["freehold-clusters"]]
    leases = [rule for rule in home["rules"] if rule.get("resourceNames") == ["freehold"]]
    others = [rule for rule in home["rules"] if rule not in named + registry + leases]
    assert rights(named) == {("", "secrets"): {"get", "patch"}}
    assert rights(registry) == {("", "configmaps"): {"get"}}
    lease = ("coordination.k8s.io", "leases")
    assert rights(leases) == {lease: {"get", "patch"}}
    assert rights(others) == {("", "secrets"): {"create"}, ("events.k8s.io", "events"): {"create"}, lease: {"create"}}


def test_named_namespaces() -> None:
    """Named namespaces get a Role each, and the ClusterRole only cluster-wide kinds."""
    objects = render("namespaces={shop,accounts}")
    assert rights(the(objects, "ClusterRole", "freehold")["rules"]) == CLUSTER_WIDE
    found = the(objects, "Role", "freehold-dns")
    assert found["metadata"]["namespace"] == "kube-system"
    assert rights(found["rules"]) == {("", "services"): {"list"}, ("discovery.k8s.io", "endpointslices"): {"list"}}
    named = [role for role in of_kind(objects, "Role") if role["metadata"]["name"] == "freehold"]
    roles = {role["metadata"]["namespace"]: rights(role["rules"]) for role in named}
    assert roles == {"shop": namespace_rights(), "accounts": namespace_rights()}
    bound = {(b["metadata"]["namespace"], b["roleRef"]["name"]) for b in of_kind(objects, "RoleBinding")}
    assert {("shop", "freehold-secrets"), ("accounts", "freehold-secrets")} <= bound
    (container,) = the(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert {"name": "FREEHOLD_NAMESPACES", "value": "shop,accounts"} in container["env"]


@pytest.mark.parametrize("namespaces", [(), ("shop",)])
def test_bindings_name_operator_only(namespaces: tuple[str, ...]) -> None:
    """Every binding names only the operator's ServiceAccount."""
    objects = render(*(f"namespaces={{{name}}}" for name in namespaces))
    account = the(objects, "ServiceAccount")
    subject = {"kind": "ServiceAccount", "name": "freehold", "namespace": "freehold-system"}
    bindings = [*of_kind(objects, "ClusterRoleBinding"), *of_kind(objects, "RoleBinding")]
    assert len(bindings) == 2 + 2 * len(namespaces) + bool(namespaces)
    assert [binding["subjects"] for binding in bindings] == [[subject]] * len(bindings)
    assert account["automountServiceAccountToken"] is False


def test_no_wildcards_or_escalation() -> None:
    """No role has wildcards, or rights on roles."""
    for role in of_kind(render(), "ClusterRole"):
        granted = rights(role["rules"])
        assert not {"*", "bind", "escalate", "impersonate"} & set().union(*granted.values())
        assert not any("*" in key or "rbac.authorization.k8s.io" in key for key in granted)


def test_roles_for_people() -> None:
    """People get the rights of their role in the namespace."""
    objects = render()
    view, edit = (the(objects, "ClusterRole", f"freehold-{role}") for role in ("view", "edit"))
    aggregate = "rbac.authorization.k8s.io/aggregate-to-"
    assert {f"{aggregate}{role}" for role in ("view", "edit", "admin")} <= set(view["metadata"]["labels"])
    assert f"{aggregate}view" not in edit["metadata"]["labels"]
    assert f"{aggregate}edit" in edit["metadata"]["labels"]
    assert set().union(*rights(view["rules"]).values()) == {"get", "list", "watch"}
    assert ("freehold.dev", "microservices/status") not in rights(edit["rules"])
    assert not [role for role in of_kind(render("rbac.aggregate=false"), "ClusterRole") if "aggregate" in str(role)]


def test_servicebinding_role() -> None:
    """Implementations of Service Binding may read Microservices."""
    role = the(render(), "ClusterRole", "freehold-servicebinding")
    assert role["metadata"]["labels"]["servicebinding.io/controller"] == "true"
    assert rights(role["rules"]) == {("freehold.dev", "microservices"): {"get", "list", "watch"}}
