"""Owners of fields. managedFields are shortened real ones."""

from __future__ import annotations

import copy

import pytest
from freehold.core.model.resources import Object
from freehold.kube import diff


def entry(manager: str, fields: Object, operation: str = "Update", **more: str) -> Object:
    return {"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsV1": fields, **more}


OURS = entry("freehold", {"f:spec": {"f:replicas": {}}}, "Apply")
STATUS = entry("kube-controller-manager", {"f:status": {"f:replicas": {}}}, subresource="status")
REVISION = entry(
    "kube-controller-manager",
    {"f:metadata": {"f:annotations": {".": {}, "f:deployment.kubernetes.io/revision": {}}}, "f:status": {}},
    subresource="status",
)


def in_template(fields: Object) -> Object:
    """Fields of a template's metadata."""
    return {"f:spec": {"f:template": {"f:metadata": fields}}}


def annotated(key: str) -> Object:
    """The fields of a template's annotation."""
    return in_template({"f:annotations": {".": {}, f"f:{key}": {}}})


RESTART_FIELDS = annotated("kubectl.kubernetes.io/restartedAt")
LINKED: Object = {"f:imagePullSecrets": {}, "f:secrets": {".": {}, 'k:{"name":"x"}': {}}}


def live(*entries: Object, kind: str = "Deployment") -> Object:
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"managedFields": list(entries)}}


@pytest.mark.parametrize(
    ("says", "entries", "foreign"),
    [
        ("no manager", (), False),
        ("Freehold only", (OURS,), False),
        ("Freehold, and a controller that writes the status", (OURS, STATUS, REVISION), False),
        ("scaled by kubectl", (OURS, entry("kubectl", {"f:spec": {"f:replicas": {}}}, subresource="scale")), True),
        ("spec edited", (OURS, entry("kubectl-edit", {"f:spec": {"f:paused": {}}})), True),
        ("data applied", (OURS, entry("argocd", {"f:data": {"f:key": {}}}, "Apply")), True),
        ("labelled", (OURS, entry("kubectl-label", {"f:metadata": {"f:labels": {"f:a": {}}}})), False),
        ("restarted", (OURS, entry("kubectl-rollout", RESTART_FIELDS)), False),
        (
            "restarted and edited",
            (OURS, entry("kubectl-rollout", {"f:spec": {**RESTART_FIELDS["f:spec"], "f:paused": {}}})),
            True,
        ),
        ("annotated by a reloader", (OURS, entry("reloader", annotated("reloader.example/last"))), False),
        ("a further network", (OURS, entry("somebody", annotated("k8s.v1.cni.cncf.io/networks"))), True),
        (
            "all annotations",
            (OURS, entry("x", in_template({"f:annotations": {}}))),
            True,
        ),
        (
            "a label of pods",
            (OURS, entry("x", in_template({"f:labels": {"f:a": {}}}))),
            True,
        ),
        ("pull Secrets of no account", (OURS, entry("kubectl", LINKED)), True),
        ("a set of another form", (OURS, entry("x", {"f:spec": "x"})), True),
        ("another client with the name freehold", (OURS, entry("freehold", {"f:spec": {"f:paused": {}}})), True),
    ],
)
def test_foreign(says: str, entries: tuple[Object, ...], foreign: bool) -> None:
    """Fields of another manager are found, except metadata, status and restarts."""
    assert diff.foreign(live(*entries)) is foreign, says


def test_linked_secrets_not_foreign() -> None:
    """Pull Secrets that are linked to an account are not foreign; another field of the same manager is."""
    assert not diff.foreign(live(OURS, entry("kubectl", LINKED), kind="ServiceAccount"))
    more = {**LINKED, "f:automountServiceAccountToken": {}}
    assert diff.foreign_managers(live(OURS, entry("kubectl", more), kind="ServiceAccount")) == ["kubectl"]


def test_created_secret_not_foreign() -> None:
    """A Secret that Freehold has created without server-side apply is not foreign."""
    created = entry("freehold", {"f:data": {".": {}, "f:password": {}}})
    assert not diff.foreign(live(created, kind="Secret"))
    assert diff.foreign(live(created, entry("kubectl-edit", {"f:data": {"f:password": {}}}), kind="Secret"))


def test_bound_claim_not_foreign() -> None:
    """A claim that the cluster has bound is not foreign."""
    bound = entry("kube-controller-manager", {"f:spec": {"f:volumeName": {}}})
    assert not diff.foreign(live(OURS, bound, kind="PersistentVolumeClaim"))


def test_disown_takes_over_fields() -> None:
    """All fields except status become Freehold's."""
    edited = entry("kubectl-edit", {"f:spec": {"f:paused": {}, "f:template": {"f:x": {}}}})
    also = entry("argocd", {"f:spec": {"f:template": {"f:y": {}}}}, "Apply")
    own, *rest = diff.disown(live(OURS, edited, STATUS, also))
    assert (own["manager"], own["operation"]) == ("freehold", "Apply")
    assert own["fieldsV1"] == {"f:spec": {"f:replicas": {}, "f:paused": {}, "f:template": {"f:x": {}, "f:y": {}}}}
    assert rest == [STATUS]
    assert not diff.foreign(live(own, *rest))


def test_disown_leaves_fields_of_others() -> None:
    """Fields that others may own stay theirs, with metadata."""
    labelled: Object = {"f:metadata": {"f:labels": {"f:team": {}}}}
    platform = entry("platform", {**labelled, **LINKED, "f:automountServiceAccountToken": {}})
    own, *rest = diff.disown(live(OURS, platform, kind="ServiceAccount"))
    assert own["fieldsV1"] == {**OURS["fieldsV1"], "f:automountServiceAccountToken": {}}
    assert rest == [{**platform, "fieldsV1": {**labelled, **LINKED}}]
    own, *rest = diff.disown(live(OURS, entry("x", {"f:spec": {**RESTART_FIELDS["f:spec"], "f:paused": {}}})))
    assert own["fieldsV1"] == {"f:spec": {"f:replicas": {}, "f:paused": {}}}
    assert [each["fieldsV1"] for each in rest] == [RESTART_FIELDS]


def test_disown_keeps_input() -> None:
    """The object that is passed in does not change."""
    before = live(OURS, entry("kubectl-edit", {"f:spec": {"f:paused": {}}}))
    kept = copy.deepcopy(before)
    diff.disown(before)
    assert before == kept
