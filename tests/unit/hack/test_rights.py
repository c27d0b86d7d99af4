"""Tests of the RBAC rights report: granted rights, their ownership by the operator, and uses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hack import rights
from hack.rights import Right
from localcluster import audit

ACCOUNT = "here/operator"


def role(name: str, *rules: tuple[str, str, str], kind: str = "ClusterRole", **more: Any) -> dict[str, Any]:
    """Return a role; each rule is group, resources and verbs, the last two as space-separated words."""
    bodies = [{"apiGroups": [group], "resources": what.split(), "verbs": verbs.split()} for group, what, verbs in rules]
    return {"kind": kind, "metadata": {"name": name, **more}, "rules": bodies}


def binding(name: str, account: str = ACCOUNT, kind: str = "ClusterRole", **more: Any) -> dict[str, Any]:
    namespace, _, account_name = account.partition("/")
    subjects = [{"kind": "ServiceAccount", "namespace": namespace, "name": account_name}]
    own = "RoleBinding" if "namespace" in more else "ClusterRoleBinding"
    reference = {"kind": kind, "name": name}
    return {"kind": own, "metadata": {"name": f"binds-{name}", **more}, "subjects": subjects, "roleRef": reference}


def request(verb: str, resource: str, group: str = "", status: int = 200, allowed: bool = True) -> audit.Request:
    return audit.Request(verb, group, resource, "shop", "users", status, allowed)


def granted(*objects: dict[str, Any]) -> set[Right]:
    return set(rights.compare(objects, [], ACCOUNT).granted)


def used(*requests: audit.Request) -> set[Right]:
    return set(rights.compare([], requests, ACCOUNT).used)


def test_granted_counts_every_binding() -> None:
    """Roles bound to the account count, both cluster-wide and in a namespace."""
    own = role("wide", ("apps", "deployments deployments/scale", "get patch"))
    in_a_namespace = role("narrow", ("", "secrets", "list"), kind="Role", namespace="shop")
    assert granted(own, binding("wide"), in_a_namespace, binding("narrow", kind="Role", namespace="shop")) == {
        Right("deployments.apps", "get"),
        Right("deployments.apps", "patch"),
        Right("deployments.apps/scale", "get"),
        Right("deployments.apps/scale", "patch"),
        Right("secrets", "list"),
    }


def test_granted_counts_cluster_role_in_namespace() -> None:
    """A ClusterRole bound by a RoleBinding counts."""
    assert granted(role("keys", ("", "secrets", "get")), binding("keys", namespace="shop")) == {Right("secrets", "get")}


def test_granted_ignores_other_accounts_and_roles() -> None:
    """Roles bound to other accounts, and roles of the same name in other namespaces, do not count."""
    keys = role("keys", ("", "secrets", "get"))
    other_namespace = role("keys", ("", "secrets", "get"), kind="Role", namespace="other")
    assert not granted(keys, binding("keys", account="here/somebody"))
    assert not granted(other_namespace, binding("keys", kind="Role", namespace="shop"))


def test_granted_counts_bindable_roles() -> None:
    """A role counts if the account may bind it to itself."""
    may_bind = role("wide", (rights.RBAC, "clusterroles", "bind"))
    may_bind["rules"][0]["resourceNames"] = ["keys"]
    found = granted(may_bind, binding("wide"), role("keys", ("", "secrets", "get")), role("not", ("", "nodes", "get")))
    assert found == {Right(f"clusterroles.{rights.RBAC}", "bind"), Right("secrets", "get")}


def test_used_counts_allowed_requests() -> None:
    """An allowed request uses a right, whatever its result; a denied request does not."""
    assert used(request("get", "secrets", status=404)) == {Right("secrets", "get")}
    assert not used(request("list", "secrets", status=403, allowed=False))


def test_used_distinguishes_read_verbs() -> None:
    """A `watch` does not use the rights to `get` and `list`."""
    found = rights.compare(
        [role("wide", ("", "pods", "get list watch")), binding("wide")], [request("watch", "pods")], ACCOUNT
    )
    assert found.unused == {Right("pods", "get"), Right("pods", "list")}


def test_used_apply_with_creation() -> None:
    """A server-side apply that creates its object uses the rights to patch and to create."""
    assert used(request("patch", "jobs", "batch")) == {Right("jobs.batch", "patch")}
    assert used(request("patch", "jobs", "batch", status=201)) == {
        Right("jobs.batch", "patch"),
        Right("jobs.batch", "create"),
    }


def test_used_binding_write_uses_bind() -> None:
    """A write of a binding uses the right to bind."""
    assert Right(f"clusterroles.{rights.RBAC}", "bind") in used(request("create", "rolebindings", rights.RBAC))
    assert used(request("get", "rolebindings", rights.RBAC)) == {Right(f"rolebindings.{rights.RBAC}", "get")}


@pytest.fixture
def installed() -> set[Right]:
    return set(rights.compare(rights.chart(), []).granted)


def line(right: Right) -> str:
    """Return an audit log line of a request that uses a right."""
    whole, _, part = right.resource.partition("/")
    resource, _, group = whole.partition(".")
    return json.dumps(
        {
            "verb": right.verb,
            "user": {"username": "system:serviceaccount:freehold-system:freehold"},
            "stage": "ResponseStarted" if right.verb == "watch" else "ResponseComplete",
            "objectRef": {"resource": resource, "apiGroup": group, "subresource": part},
            "responseStatus": {"code": 200},
            "annotations": {"authorization.k8s.io/decision": "allow"},
        }
    )


def test_main_fails_for_unused_rights(
    installed: set[Right], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 1 if a granted right is unused, and 0 if all are used; incomplete lines are ignored."""
    *most, last = sorted(installed)
    older, log = tmp_path / "audit-1.log", tmp_path / "audit.log"
    older.write_text("".join(f"{line(right)}\n" for right in most))
    log.write_text("")
    assert rights.main([str(older), str(log)]) == 1
    output = capsys.readouterr().out
    assert "by ClusterRole freehold, Role freehold-authority\n" in output
    assert f"not used  1 rights that were granted\n          {last.resource:<40} {last.verb}\n" in output

    log.write_text(f"{line(last)}\n" + line(last)[:30])
    assert rights.main([str(older), str(log)]) == 0
    assert "not used  0 rights" in capsys.readouterr().out
