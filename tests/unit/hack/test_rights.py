"""Granted less used: what counts as a right, as one of the operator's, and as a use of it."""

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
    """rules: group, resources and verbs, each of the last two as words."""
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


def test_every_role_bound_to_the_account_counts_wherever_it_is_bound() -> None:
    own = role("wide", ("apps", "deployments deployments/scale", "get patch"))
    in_a_namespace = role("narrow", ("", "secrets", "list"), kind="Role", namespace="shop")
    assert granted(own, binding("wide"), in_a_namespace, binding("narrow", kind="Role", namespace="shop")) == {
        Right("deployments.apps", "get"),
        Right("deployments.apps", "patch"),
        Right("deployments.apps/scale", "get"),
        Right("deployments.apps/scale", "patch"),
        Right("secrets", "list"),
    }


def test_a_cluster_role_bound_in_a_namespace_counts() -> None:
    assert granted(role("keys", ("", "secrets", "get")), binding("keys", namespace="shop")) == {Right("secrets", "get")}


def test_what_is_bound_to_others_or_is_another_role_of_that_name_does_not_count() -> None:
    keys = role("keys", ("", "secrets", "get"))
    elsewhere = role("keys", ("", "secrets", "get"), kind="Role", namespace="other")
    assert not granted(keys, binding("keys", account="here/somebody"))
    assert not granted(elsewhere, binding("keys", kind="Role", namespace="shop"))


def test_what_the_account_may_bind_to_itself_counts() -> None:
    may_bind = role("wide", (rights.RBAC, "clusterroles", "bind"))
    may_bind["rules"][0]["resourceNames"] = ["keys"]
    found = granted(may_bind, binding("wide"), role("keys", ("", "secrets", "get")), role("not", ("", "nodes", "get")))
    assert found == {Right(f"clusterroles.{rights.RBAC}", "bind"), Right("secrets", "get")}


def test_a_right_is_used_by_a_request_that_was_allowed_whatever_became_of_it() -> None:
    assert used(request("get", "secrets", status=404)) == {Right("secrets", "get")}
    assert not used(request("list", "secrets", status=403, allowed=False))


def test_reading_in_one_way_is_not_reading_in_another() -> None:
    found = rights.compare(
        [role("wide", ("", "pods", "get list watch")), binding("wide")], [request("watch", "pods")], ACCOUNT
    )
    assert found.unused == {Right("pods", "get"), Right("pods", "list")}


def test_an_apply_that_makes_its_object_uses_the_right_to_create() -> None:
    assert used(request("patch", "jobs", "batch")) == {Right("jobs.batch", "patch")}
    assert used(request("patch", "jobs", "batch", status=201)) == {
        Right("jobs.batch", "patch"),
        Right("jobs.batch", "create"),
    }


def test_who_writes_a_binding_uses_the_right_to_bind() -> None:
    assert Right(f"clusterroles.{rights.RBAC}", "bind") in used(request("create", "rolebindings", rights.RBAC))
    assert used(request("get", "rolebindings", rights.RBAC)) == {Right(f"rolebindings.{rights.RBAC}", "get")}


@pytest.fixture
def installed() -> set[Right]:
    return set(rights.compare(rights.chart(), []).granted)


def line(right: Right) -> str:
    """A request that uses a right, as the log has it."""
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


def test_the_program_fails_with_what_is_never_used_and_passes_when_all_is(
    installed: set[Right], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    *most, last = sorted(installed)
    older, log = tmp_path / "audit-1.log", tmp_path / "audit.log"
    older.write_text("".join(f"{line(right)}\n" for right in most))
    log.write_text("")
    assert rights.main([str(older), str(log)]) == 1
    said = capsys.readouterr().out
    assert "by ClusterRole freehold, Role freehold-authority\n" in said
    assert f"not used  1 rights that were granted\n          {last.resource:<40} {last.verb}\n" in said

    log.write_text(f"{line(last)}\n" + line(last)[:30])
    assert rights.main([str(older), str(log)]) == 0
    assert "not used  0 rights" in capsys.readouterr().out
