"""Whether a live object is as desired, and whose its fields are. managedFields are an API server's own, shortened."""

from __future__ import annotations

import copy

import pytest
from freehold.core.model.resources import Object
from freehold.kube import diff
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.worlds import SERVICES, objects_of, observed, reconcile, service, settled


@pytest.mark.parametrize(
    ("says", "live", "desired", "same"),
    [
        ("the same", {"a": 1}, {"a": 1}, True),
        ("a field the server filled in", {"a": 1, "b": 2}, {"a": 1}, True),
        ("one filled in deep inside", {"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, True),
        ("one filled in within a list", {"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1}]}, True),
        ("another value", {"a": 1}, {"a": 2}, False),
        ("a field that is gone", {}, {"a": 1}, False),
        ("a whole branch that is gone", {"a": None}, {"a": {"b": 1}}, False),
        ("an item more", {"a": [1, 2]}, {"a": [1]}, False),
        ("an item less", {"a": [1]}, {"a": [1, 2]}, False),
        ("items in another order", {"a": [2, 1]}, {"a": [1, 2]}, False),
        ("an empty list the server leaves out", {}, {"a": []}, True),
        ("an empty object the server leaves out", {}, {"a": {}}, True),
        ("the same quantity in other words", {"cpu": "1"}, {"cpu": "1000m"}, True),
        ("another quantity", {"memory": "1Gi"}, {"memory": "1G"}, False),
        ("yes is not no", {"a": True}, {"a": False}, False),
        ("yes is not a word", {"a": True}, {"a": "yes"}, False),
        ("a text where an object is wanted", {"a": "b"}, {"a": {"b": 1}}, False),
    ],
)
def test_contains(says: str, live: Object, desired: Object, same: bool) -> None:
    assert diff.contains(live, desired) is same, says


PLACES = st.integers(0, 10_000)


def leaves(body: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The place of every value in an object."""
    if isinstance(body, dict):
        return [place for key, value in body.items() for place in leaves(value, (*path, key))]
    if isinstance(body, list):
        return [place for index, value in enumerate(body) for place in leaves(value, (*path, index))]
    return [path]


@given(SERVICES, PLACES, PLACES)
def test_no_changed_or_lost_value_goes_unseen(subject: object, which: int, where: int) -> None:
    bodies = list(objects_of(reconcile(subject, settled(subject, observed()))).values())  # type: ignore[arg-type]
    body = bodies[which % len(bodies)]
    places = leaves(body)
    *above, last = places[where % len(places)]
    changed, lost = copy.deepcopy(body), copy.deepcopy(body)
    for edited in (changed, lost):
        inner: object = edited
        for step in above:
            inner = inner[step]  # type: ignore[index]
        if edited is changed:
            inner[last] = "something else"  # type: ignore[index]
        else:
            del inner[last]  # type: ignore[attr-defined]
    assert diff.contains(body, body)
    assert not diff.contains(changed, body)
    assert not diff.contains(lost, body)


def entry(manager: str, fields: Object, operation: str = "Update", **more: str) -> Object:
    return {"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsV1": fields, **more}


OURS = entry("freehold", {"f:spec": {"f:replicas": {}}}, "Apply")
STATUS = entry("kube-controller-manager", {"f:status": {"f:replicas": {}}}, subresource="status")
REVISION = entry(
    "kube-controller-manager",
    {"f:metadata": {"f:annotations": {".": {}, "f:deployment.kubernetes.io/revision": {}}}, "f:status": {}},
    subresource="status",
)
RESTART_FIELDS: Object = {
    "f:spec": {"f:template": {"f:metadata": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/restartedAt": {}}}}}
}


def live(*entries: Object, kind: str = "Deployment") -> Object:
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"managedFields": list(entries)}}


@pytest.mark.parametrize(
    ("says", "entries", "foreign"),
    [
        ("nobody's", (), False),
        ("ours alone", (OURS,), False),
        ("ours, with its status written by a controller", (OURS, STATUS, REVISION), False),
        ("somebody scaled it", (OURS, entry("kubectl", {"f:spec": {"f:replicas": {}}}, subresource="scale")), True),
        ("somebody edited its spec", (OURS, entry("kubectl-edit", {"f:spec": {"f:paused": {}}})), True),
        ("somebody applied to its data", (OURS, entry("argocd", {"f:data": {"f:key": {}}}, "Apply")), True),
        ("somebody labelled it", (OURS, entry("kubectl-label", {"f:metadata": {"f:labels": {"f:a": {}}}})), False),
        ("somebody restarted its pods", (OURS, entry("kubectl-rollout", RESTART_FIELDS)), False),
        (
            "somebody restarted its pods and did more",
            (OURS, entry("kubectl-rollout", {"f:spec": {**RESTART_FIELDS["f:spec"], "f:paused": {}}})),
            True,
        ),
        ("one that calls itself freehold and updates", (OURS, entry("freehold", {"f:spec": {"f:paused": {}}})), True),
    ],
)
def test_foreign(says: str, entries: tuple[Object, ...], foreign: bool) -> None:
    assert diff.foreign(live(*entries)) is foreign, says


def test_a_claim_is_bound_by_the_cluster_and_stays_ours() -> None:
    bound = entry("kube-controller-manager", {"f:spec": {"f:volumeName": {}}})
    assert not diff.foreign(live(OURS, bound, kind="PersistentVolumeClaim"))


def test_disowned_fields_are_ours_and_status_stays_whose_it_is() -> None:
    edited = entry("kubectl-edit", {"f:spec": {"f:paused": {}, "f:template": {"f:x": {}}}})
    also = entry("argocd", {"f:spec": {"f:template": {"f:y": {}}}}, "Apply")
    mine, *rest = diff.disown(live(OURS, edited, STATUS, also))
    assert (mine["manager"], mine["operation"]) == ("freehold", "Apply")
    assert mine["fieldsV1"] == {"f:spec": {"f:replicas": {}, "f:paused": {}, "f:template": {"f:x": {}, "f:y": {}}}}
    assert rest == [STATUS]
    assert not diff.foreign(live(mine, *rest))


def test_disowning_changes_nothing_that_was_passed_in() -> None:
    before = live(OURS, entry("kubectl-edit", {"f:spec": {"f:paused": {}}}))
    kept = copy.deepcopy(before)
    diff.disown(before)
    assert before == kept


def test_a_service_without_an_edit_is_as_desired() -> None:
    subject = service()
    for body in objects_of(reconcile(subject, settled(subject, observed()))).values():
        assert diff.contains(body, body)
