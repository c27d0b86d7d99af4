"""The migrations Job is the record of applied migrations, and is unchanged once made."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from freehold.core import migrations
from freehold.core.model.case import Case
from freehold.core.model.conditions import State
from freehold.core.model.resources import Object, Observed, Plan, Ref, Service
from freehold.core.model.troubles import Refusal
from freehold.core.objects import meta

from tests.unit.core.worlds import DATABASE, NOW, observed, placed, pod_of, reconcile, service

MORE = {"requests": {"memory": "1024Mi"}}


def _after(status: Object) -> tuple[Observed, Ref]:
    """The state with the migrations Job of a service, and a status of the Job."""
    plain = service(database=DATABASE)
    seen = observed()
    for _ in range(3):
        seen = placed(seen, reconcile(plain, seen))
    (ref,) = [ref for ref in seen.objects if ref.kind == "Job"]
    return replace(seen, objects={**seen.objects, ref: {**seen.objects[ref], "status": status}}), ref


def _ended(condition: str) -> Object:
    """The status of an ended Job: Complete or Failed."""
    return {"conditions": [{"type": condition, "status": "True"}]}


def _planned(seen: Observed, **spec: Any) -> Plan:
    """The plan of a service with additional fields."""
    subject: Service = service(database=DATABASE, **spec)
    return migrations.plan(Case(subject, seen))


def test_existing_job_is_unchanged() -> None:
    """The template of an existing Job stays, since Jobs are immutable."""
    seen, ref = _after(_ended("Complete"))
    image = seen.objects[ref]["spec"]["template"]["spec"]["containers"][0]
    altered = {**image, "terminationMessagePolicy": "File"}
    template = {**seen.objects[ref]["spec"]["template"], "spec": {"containers": [altered]}}
    earlier = {**seen.objects[ref], "spec": {**seen.objects[ref]["spec"], "template": template}}

    plan = _planned(replace(seen, objects={**seen.objects, ref: earlier}))

    assert plan.objects[0]["spec"]["template"] == template


def test_job_as_wanted_is_not_written_again() -> None:
    """A Job with only defaults filled in by the API server is as wanted."""
    seen, ref = _after({})
    (wanted,) = _planned(seen).objects
    metadata = {**wanted["metadata"], "annotations": {meta.APPLIED_HASH: meta.digest(wanted)}}
    filled_in = {**wanted["spec"]["template"], "spec": {**wanted["spec"]["template"]["spec"], "dnsPolicy": "Default"}}
    live = {**wanted, "metadata": metadata, "spec": {**wanted["spec"], "template": filled_in}}

    assert _planned(replace(seen, objects={**seen.objects, ref: live})).objects == (wanted,)


def test_other_resources_make_another_job() -> None:
    """A failed Job is replaced by a new Job once resources change."""
    seen, ref = _after(_ended("Failed"))

    assert _planned(seen).objects[0]["metadata"]["name"] == ref.name
    assert _planned(seen, resources=MORE).objects[0]["metadata"]["name"] != ref.name


def test_running_job_is_not_interrupted() -> None:
    """The next migration waits until a running Job has ended."""
    seen, ref = _after({})
    status = {"containerStatuses": [{"name": "migrations", "state": {"running": {}}}]}
    runs = replace(seen, pods=({**pod_of(seen.objects[ref]), "status": status},))

    plan = _planned(runs, resources=MORE)

    assert plan.objects == ()
    assert plan.keep == {ref}


def test_refused_job() -> None:
    """A migration whose pod a quota refuses says so."""
    seen, ref = _after({})
    refusal = Refusal(
        seen.objects[ref]["metadata"]["uid"], 'Error creating: pods "x" is forbidden: exceeded quota', NOW, NOW
    )

    condition = _planned(replace(seen, refusals={ref: refusal}, now=NOW + timedelta(minutes=1))).condition

    assert condition and (condition.state, condition.reason) == (State.FALSE, "RefusedByAdmission")
    assert condition.message == 'pods are refused: pods "x" is forbidden: exceeded quota'
