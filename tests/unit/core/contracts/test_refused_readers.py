"""Readers whose pods a quota or a policy refuses."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from freehold.core import contracts
from freehold.core.model.case import Case
from freehold.core.model.conditions import State
from freehold.core.model.troubles import Refusal
from freehold.core.reconcile import report

from tests.unit.core.offers import NEW, POLICY, condition, planned_image, reader_jobs, service, serving, with_answers
from tests.unit.core.worlds import NOW, reconcile


def test_reader_refused() -> None:
    """A reader whose pod is refused says so at once and after the Job's deadline, and is started again in minutes."""
    subject, seen = service(), serving()
    unanswered = with_answers(seen, subject, ended=False)
    (ref,) = unanswered.objects.keys() - seen.objects.keys() - {POLICY}
    live = unanswered.objects[ref]
    refusal = Refusal(live["metadata"]["uid"], "Error creating: must specify limits.cpu", NOW, NOW)
    refused = replace(unanswered, pods=seen.pods, refusals={ref: refusal}, now=NOW + timedelta(seconds=5))
    found = condition(refused, subject)
    assert (found.state, found.reason) == (State.FALSE, "RefusedByAdmission")
    assert "must specify limits.cpu" in found.message
    failed = {"conditions": [{"type": "Failed", "status": "True", "lastTransitionTime": NOW.isoformat()}]}
    ended = replace(refused, objects={**refused.objects, ref: {**live, "status": failed}})
    assert condition(ended, subject).reason == "RefusedByAdmission"
    assert contracts.plan(Case(subject, ended)).retry_after == 295
    assert planned_image(ended, subject) == NEW, "the rollout goes on"
    status = report(Case(subject, ended), reconcile(subject, ended)).status
    anew = replace(ended, objects=seen.objects, refusals={}, status=status)
    assert condition(anew, subject).reason == "RefusedByAdmission", "until the next reader has answered"


def test_reader_has_every_limit() -> None:
    """A quota that counts limits refuses no reader."""
    (job,) = reader_jobs(serving(), service())
    limits = job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert set(limits) == {"cpu", "memory", "ephemeral-storage"}
