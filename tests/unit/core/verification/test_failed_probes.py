"""Probes that fail, and probes beside containers that others inject."""

from __future__ import annotations

from dataclasses import replace

import pytest
from freehold.core import verification
from freehold.core.model.conditions import State
from freehold.core.model.resources import Ref

from tests.unit.core.verification.test_plan import (
    CLEAN,
    MINUTE,
    after_policy_change,
    condition_of,
    plan_of,
    probed,
    ready,
    recorded,
)
from tests.unit.core.worlds import with_uid


def test_earlier_proof_does_not_outlast_a_failed_probe() -> None:
    """After a proof, a probe without a result is reported until a probe has one."""
    verified = recorded(probed(ready(), CLEAN))
    failed = probed(replace(after_policy_change(verified), now=verified.now), "killed")
    assert (condition_of(failed).state, condition_of(failed).reason) == (State.UNKNOWN, "ProbeFailed")
    later = replace(recorded(failed), now=failed.now + verification.AFTER_FAILURE)
    (again,) = plan_of(later).objects
    running = replace(later, objects={**later.objects, Ref("Job", again["metadata"]["name"]): with_uid(again)})
    assert condition_of(running) == condition_of(failed)
    assert condition_of(probed(later, CLEAN, after=10 * MINUTE)).state is State.TRUE


@pytest.mark.parametrize("answer", [CLEAN, "killed"])
@pytest.mark.parametrize("first", [True, False])
def test_probe_beside_an_injected_container(answer: object, first: bool) -> None:
    """The probe's own container answers, and its end is the end, although an injected container goes on."""
    seen = probed(ready(), answer)
    (ref,) = [ref for ref in seen.objects if "-probe-" in ref.name]
    (pod,) = seen.pods
    own = pod["status"]["containerStatuses"]
    injected = [{"name": "agent", "state": {"running": {}}}]
    pod = {**pod, "status": {"containerStatuses": injected + own if first else own + injected}}
    beside = replace(seen, pods=(pod,), objects={**seen.objects, ref: {**seen.objects[ref], "status": {}}})
    assert condition_of(beside) == condition_of(seen)
