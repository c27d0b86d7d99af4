"""The outcome of a switchover, as its own container reports."""

from __future__ import annotations

from dataclasses import replace

import pytest
from freehold.core.database import switchover_jobs
from freehold.core.database.instance import Instance
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Ref

from tests.unit.core.worlds import DATABASE, NOW, observed, pod_of, service, with_uid

SERVICE, PRIMARY, CANDIDATE = service(database=DATABASE), Instance(1), Instance(2, 0)
NAME = switchover_jobs.job_name(SERVICE, PRIMARY, CANDIDATE, 0)
ENDED = {"exitCode": 0, "finishedAt": NOW.strftime("%Y-%m-%dT%H:%M:%SZ"), "message": '{"outcome": "failed"}'}
OWN: Object = {"name": "switchover", "state": {"terminated": ENDED}}
INJECTED: Object = {"name": "agent", "state": {"running": {}}}
CLAIMING: Object = {"name": "agent", "state": {"terminated": {**ENDED, "message": '{"outcome": "completed"}'}}}


@pytest.mark.parametrize("statuses", [[OWN, INJECTED], [INJECTED, OWN], [CLAIMING, OWN]])
def test_outcome_beside_an_injected_container(statuses: list[Object]) -> None:
    """The outcome is that of the own container, whose end is the attempt's, although an injected container goes on."""
    spec = {"containers": [{"name": "switchover", "image": "operator:1"}]}
    job = with_uid(
        {"kind": "Job", "metadata": {"name": NAME}, "spec": {"template": {"metadata": {"labels": {}}, "spec": spec}}}
    )
    pod = {**pod_of(job), "status": {"containerStatuses": statuses}}
    seen = replace(observed(), objects={Ref("Job", NAME): job}, pods=(pod,))

    (attempt,) = switchover_jobs.attempts(Case(SERVICE, seen), PRIMARY, CANDIDATE)

    assert (attempt.moved, attempt.ended) == (False, NOW)
