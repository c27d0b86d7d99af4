"""Probes whose pods a quota or an admission rule refuses."""

from __future__ import annotations

from dataclasses import replace

from freehold.core import verification
from freehold.core.model.case import Case
from freehold.core.model.conditions import State
from freehold.core.model.resources import Object, Observed, Ref
from freehold.core.model.troubles import Refusal
from freehold.core.reconcile import report

from tests.unit.core.verification.test_plan import (
    CLEAN,
    MINUTE,
    PAYMENTS,
    after_policy_change,
    condition_of,
    plan_of,
    probed,
    ready,
    recorded,
)
from tests.unit.core.worlds import reconcile, with_uid


def refused(seen: Observed, job: Object) -> Observed:
    """Return the observation a minute after the pod of a Job was refused."""
    ref, live = Ref("Job", job["metadata"]["name"]), with_uid(job)
    refusal = Refusal(live["metadata"]["uid"], "Error creating: exceeded quota", seen.now, seen.now)
    return replace(seen, objects={**seen.objects, ref: live}, refusals={ref: refusal}, now=seen.now + MINUTE)


def test_probe_refused() -> None:
    """A probe whose pod is refused says so, also when the Job has ended and the next one has no pod yet."""
    (job,) = plan_of(ready()).objects
    seen = refused(ready(), job)
    found = condition_of(seen)
    assert (found.state, found.reason) == (State.FALSE, "RefusedByAdmission")
    assert found.message == "pods are refused: exceeded quota"
    said = report(Case(PAYMENTS, seen), reconcile(PAYMENTS, seen))
    assert said.status["conditions"][0]["status"] == "True", "the service itself is not affected"
    assert [event.reason for event in said.events] == ["RefusedByAdmission"]
    ref = Ref("Job", job["metadata"]["name"])
    failed = {"conditions": [{"type": "Failed", "status": "True", "lastTransitionTime": "2026-01-02T03:05:05Z"}]}
    for objects in (
        {**seen.objects, ref: {**seen.objects[ref], "status": failed}},
        {**seen.objects, ref: {**job, "metadata": {**job["metadata"], "uid": "of the next Job"}}},
    ):
        assert condition_of(replace(seen, objects=objects, status=said.status)) == found


def test_probe_refused_after_verification() -> None:
    """A result counts until policies change, whatever keeps the next probe from running."""
    verified = recorded(probed(ready(), CLEAN))
    later = replace(verified, now=verified.now + verification.PERIOD)
    assert condition_of(refused(later, plan_of(later).objects[0])).state is State.TRUE
    changed = after_policy_change(verified)
    assert condition_of(refused(changed, plan_of(changed).objects[0])).state is State.FALSE


def test_probe_has_every_limit() -> None:
    """A quota that counts limits refuses no probe."""
    (job,) = plan_of(ready()).objects
    resources = job["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert set(resources["limits"]) == set(resources["requests"]) == {"cpu", "memory", "ephemeral-storage"}
