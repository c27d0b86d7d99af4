"""Of several troubles the worst is reported: what is False is never replaced by Unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Object, Observed, Ref, StorageClass
from freehold.core.model.troubles import SEVERITY, Refusal, Trouble, worst
from freehold.core.objects import meta
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.worlds import DATABASE, NOW, STANDARD, observed, pod_of, reconcile, service, settled

SUBJECT = service(database=DATABASE)
LARGER = service(database={**DATABASE, "storage": {"size": "2Gi"}})
OLD = (NOW - timedelta(hours=2)).isoformat()
RIGID = (StorageClass(STANDARD.name, default=True),)
SERVER, CLAIM = Ref("StatefulSet", "users-database"), Ref("PersistentVolumeClaim", "users-database-data")
DEPLOYMENT = Ref("Deployment", "users")
Edit = Callable[[Observed], Observed]


@cache
def calm() -> Observed:
    """Return a service at rest whose volume is to grow, with a pod for the service, the server and the migration."""
    seen = settled(SUBJECT, observed())
    pods = tuple(
        running(name, component, seen) for name, component in (("users-x", "service"), ("users-database-0", "database"))
    )
    pod = {**pod_of(seen.objects[job(seen)]), "status": {}}
    migration = {**pod, "metadata": {**pod["metadata"], "creationTimestamp": OLD}}
    return replace(seen, pods=(*pods, migration))


def running(name: str, component: str, seen: Observed) -> Object:
    owner = {"kind": "StatefulSet", "uid": seen.objects[SERVER]["metadata"]["uid"], "controller": True}
    metadata = {"name": name, "namespace": "shop", "labels": {meta.COMPONENT: component}, "creationTimestamp": OLD}
    owned = {"ownerReferences": [owner]} if component == "database" else {}
    return {"metadata": {**metadata, **owned}, "spec": {}, "status": {"conditions": [], "containerStatuses": []}}


def job(seen: Observed) -> Ref:
    return next(ref for ref in seen.objects if ref.kind == "Job" and "-migrations-" in ref.name)


def pod(name: str, **added: list[Object]) -> Edit:
    """Add entries to the lists in the status of the pods whose names begin so."""

    def edit(live: Object) -> Object:
        status = live.get("status", {})
        more = {key: [*status.get(key, []), *entries] for key, entries in added.items()}
        return {**live, "status": {**status, **more}} if live["metadata"]["name"].startswith(name) else live

    return lambda seen: replace(seen, pods=tuple(map(edit, seen.pods)))


def thing(find: Ref | Callable[[Observed], Ref], part: str, **fields: Any) -> Edit:
    """Change fields of a part of an object; conditions are added."""

    def edit(seen: Observed) -> Observed:
        ref = find(seen) if callable(find) else find
        before = seen.objects[ref].get(part, {})
        added = {"conditions": [*before.get("conditions", []), *fields["conditions"]]} if "conditions" in fields else {}
        return replace(seen, objects={**seen.objects, ref: {**seen.objects[ref], part: {**before, **fields, **added}}})

    return edit


def refused(find: Ref | Callable[[Observed], Ref]) -> Edit:
    def edit(seen: Observed) -> Observed:
        ref = find(seen) if callable(find) else find
        refusal = Refusal(seen.objects[ref]["metadata"]["uid"], "forbidden", NOW - timedelta(minutes=1), NOW)
        return replace(seen, refusals={**seen.refusals, ref: refusal})

    return edit


CRASHED = [{"name": "x", "ready": False, "state": {"terminated": {"exitCode": 1, "message": "boom"}}}]
UNPULLED = [{"name": "x", "ready": False, "image": "x", "state": {"waiting": {"reason": "ErrImagePull"}}}]
UNHEALTHY = [{"name": "x", "ready": False, "started": True, "state": {"running": {}}}]
NO_NODE = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]
NODE_GONE = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]
FAULTS: dict[str, Edit] = {
    "the volume cannot grow": lambda seen: replace(seen, storage_classes=RIGID),
    "the volume is being deleted": thing(CLAIM, "metadata", deletionTimestamp=OLD),
    "the server is not ready": thing(SERVER, "status", readyReplicas=0),
    "the server's pod is refused": refused(SERVER),
    "no pod serves": thing(DEPLOYMENT, "status", availableReplicas=0),
    "pods are refused": thing(
        DEPLOYMENT, "status", conditions=[{"type": "ReplicaFailure", "status": "True", "message": "forbidden"}]
    ),
    "a rollout stalls": thing(
        DEPLOYMENT, "status", conditions=[{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]
    ),
    "the template was rolled out": thing(
        DEPLOYMENT, "status", conditions=[{"type": "Progressing", "reason": "NewReplicaSetAvailable"}]
    ),
    "the migration is not complete": lambda seen: replace(
        seen, objects={**seen.objects, job(seen): {**seen.objects[job(seen)], "status": {}}}
    ),
    "the migration's pod is refused": refused(job),
    **{
        f"{name}: {what}": pod(name, **{key: status})
        for name in ("users-x", "users-database-0", "users-migrations")
        for what, key, status in (
            ("ended", "containerStatuses", CRASHED),
            ("no image", "containerStatuses", UNPULLED),
            ("unhealthy", "containerStatuses", UNHEALTHY),
            ("no node", "conditions", NO_NODE),
            ("node lost", "conditions", NODE_GONE),
        )
    },
}
JUDGED = (Type.DATABASE_READY, Type.MIGRATIONS_APPLIED, Type.ENDPOINT_READY)


def judged(faults: list[str]) -> dict[Type, Condition]:
    """Return the conditions of the service with these faults."""
    seen = calm()
    for fault in faults:
        seen = FAULTS[fault](seen)
    return {plan.condition.type: plan.condition for plan in reconcile(LARGER, seen) if plan.condition}


@given(st.lists(st.sampled_from(sorted(FAULTS)), unique=True, max_size=6), st.data())
def test_more_troubles_report_no_less(faults: list[str], data: st.DataObject) -> None:
    """A condition that is False with some faults is False with more of them, and its reason is none that is milder."""
    some = [fault for fault in faults if data.draw(st.booleans())]
    fewer, all_of_them = judged(some), judged([*some, *(fault for fault in faults if fault not in some)])
    for kind in JUDGED:
        before, after = fewer[kind], all_of_them[kind]
        if before.state is State.FALSE:
            assert after.state is State.FALSE, (some, faults, before, after)
            assert rank(after.reason) <= rank(before.reason), (some, faults, before, after)


def rank(reason: Reason) -> int:
    """Return the severity of a reason; that of a failed migration is the end of its container."""
    return SEVERITY.index(Reason.CRASH_LOOPING if reason is Reason.MIGRATION_FAILED else reason)


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_faults_are_noticed(fault: str) -> None:
    """Each fault changes a condition by itself, except those that are one only with others."""
    silent = {"the migration's pod is refused", "the template was rolled out"}
    silent |= {name for name in FAULTS if "unhealthy" in name or name.startswith("users-migrations")}
    calm_states, states = judged([]), judged([fault])
    assert (calm_states != states) == (fault not in silent)


def test_worst_of_troubles() -> None:
    """Troubles are ordered by severity, and equals by their order."""
    mild, first, second = (
        Trouble(Reason.VOLUME_CANNOT_GROW, "a"),
        Trouble(Reason.CRASH_LOOPING, "b"),
        Trouble(Reason.CRASH_LOOPING, "c"),
    )
    assert worst([mild, None, first, second]) == first
    assert worst([None]) is None
