"""A migration's Job is the record of what ran: it stays as it was made, and another wish makes another one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from freehold.core import migrations
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Observed, Plan, Ref, Service
from freehold.core.objects import meta

from tests.unit.core.worlds import DATABASE, observed, placed, reconcile, service

MORE = {"requests": {"memory": "1024Mi"}}


def _after(status: Object) -> tuple[Observed, Ref]:
    """What is seen once the Job of a service was made and ended so."""
    plain = service(database=DATABASE)
    seen = observed()
    for _ in range(3):
        seen = placed(seen, reconcile(plain, seen))
    (ref,) = [ref for ref in seen.objects if ref.kind == "Job"]
    return replace(seen, objects={**seen.objects, ref: {**seen.objects[ref], "status": status}}), ref


def _ended(how: str) -> Object:
    return {"conditions": [{"type": how, "status": "True"}]}


def _asked(seen: Observed, **more: Any) -> Plan:
    larger: Service = service(database=DATABASE, **more)
    return migrations.plan(Case(larger, seen))


def test_one_that_is_there_stays_as_it_was_made() -> None:
    seen, ref = _after(_ended("Complete"))
    image = seen.objects[ref]["spec"]["template"]["spec"]["containers"][0]
    altered = {**image, "terminationMessagePolicy": "File"}
    template = {**seen.objects[ref]["spec"]["template"], "spec": {"containers": [altered]}}
    earlier = {**seen.objects[ref], "spec": {**seen.objects[ref]["spec"], "template": template}}

    plan = _asked(replace(seen, objects={**seen.objects, ref: earlier}))

    assert plan.objects[0]["spec"]["template"] == template


def test_one_that_was_written_as_wanted_is_not_written_again() -> None:
    seen, ref = _after({})
    (wanted,) = _asked(seen).objects
    metadata = {**wanted["metadata"], "annotations": {meta.APPLIED_HASH: meta.digest(wanted)}}
    filled_in = {**wanted["spec"]["template"], "spec": {**wanted["spec"]["template"]["spec"], "dnsPolicy": "Default"}}
    live = {**wanted, "metadata": metadata, "spec": {**wanted["spec"], "template": filled_in}}

    assert _asked(replace(seen, objects={**seen.objects, ref: live})).objects == (wanted,)


def test_other_resources_make_another_one() -> None:
    seen, ref = _after(_ended("Failed"))

    assert _asked(seen).objects[0]["metadata"]["name"] == ref.name
    assert _asked(seen, resources=MORE).objects[0]["metadata"]["name"] != ref.name


def test_one_that_runs_is_not_cut_short_by_another() -> None:
    seen, ref = _after({})
    labels = {"app.kubernetes.io/component": "migrations", "batch.kubernetes.io/job-name": ref.name}
    status = {"containerStatuses": [{"name": "migrations", "state": {"running": {}}}]}
    runs = replace(seen, pods=({"metadata": {"name": "one", "labels": labels}, "status": status},))

    plan = _asked(runs, resources=MORE)

    assert plan.objects == ()
    assert plan.keep == {ref}
