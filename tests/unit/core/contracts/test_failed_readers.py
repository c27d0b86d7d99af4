"""Readers and checks that fail: no consent; and readers beside containers that others inject."""

from __future__ import annotations

from dataclasses import replace

import pytest
from freehold.core import contracts
from freehold.core.contracts import published
from freehold.core.model.case import Case
from freehold.core.model.conditions import State
from freehold.core.model.resources import Observed, Ref
from freehold.core.objects import meta
from freehold.core.protobuf.checks import Check, Kind, Result

from tests import offered
from tests.unit.core.offers import (
    BREAKING,
    NEW,
    OLD,
    PAYMENTS,
    condition,
    planned_image,
    reader_jobs,
    ready_condition,
    service,
    serving,
    with_answers,
    with_contract,
)
from tests.unit.core.worlds import observed

WITHOUT_REFLECTION = '{"fault":"ContractUnreadable","message":"no reflection"}'
UNDECIDED = [
    ("Traceback: out of luck", "the reader ended without an answer"),
    ('{"fault":"ContractUnreadable","message":"nothing answers","retry":true}', "nothing answers"),
]


@pytest.mark.parametrize(("answer", "message"), UNDECIDED)
def test_failed_reader_is_no_consent(answer: str, message: str) -> None:
    """A reader that failed or ran out of time lets no image through, until an answer or the owner's word."""
    subject = service()
    seen = with_answers(serving(PAYMENTS), subject, answer)
    found = condition(seen, subject)
    assert (found.state, found.reason) == (State.FALSE, "ContractUnreadable")
    assert message in found.message
    assert "users:1.4.0 goes on serving" in found.message
    assert f"{meta.ACCEPT_CONTRACT}={NEW} lets the image through" in found.message
    assert planned_image(seen, subject) == OLD
    assert ready_condition(seen, subject)["reason"] == "ReadingContract"
    assert contracts.plan(Case(subject, seen)).retry_after == 300
    accepted = service(annotations={meta.ACCEPT_CONTRACT: NEW})
    assert planned_image(seen, accepted) == NEW
    assert "nobody knows whether it breaks consumers" in condition(seen, accepted).message
    assert planned_image(with_answers(serving(), subject, answer), subject) == NEW, "nobody calls the service"


def beside(seen: Observed, *injected: str) -> Observed:
    """The state in which others added containers to the newest reader pod, which go on, and so does the Job."""
    *others, pod = seen.pods
    added = [{"name": name, "image": "agent:1"} for name in injected]
    running = [{"name": name, "state": {"running": {}}} for name in injected]
    spec = {**pod["spec"], "containers": [*added, *pod["spec"]["containers"]]}
    pod = {**pod, "spec": spec, "status": {"containerStatuses": [*running, *pod["status"]["containerStatuses"]]}}
    ref = Ref("Job", pod["metadata"]["ownerReferences"][0]["name"])
    return replace(seen, pods=(*others, pod), objects={**seen.objects, ref: {**seen.objects[ref], "status": {}}})


def test_reader_beside_an_injected_container() -> None:
    """The reader's own container answers, whatever others added to the pod."""
    subject = service()
    answered = beside(with_answers(observed(), subject, offered.answer(offered.users())), "agent")
    assert published.content(contracts.plan(Case(subject, answered)).objects[0]) == offered.users()
    for answer, seconds in ((WITHOUT_REFLECTION, None), (UNDECIDED[1][0], 300)):
        seen = with_answers(observed(), subject, answer)
        assert condition(beside(seen, "agent"), subject) == condition(seen, subject)
        assert contracts.plan(Case(subject, beside(seen, "agent"))).retry_after == seconds


def test_injected_containers_share_the_bound() -> None:
    """A contract that does not fit is read again with the kubelet's bound for the containers that there are."""
    subject = service()
    seen = beside(with_answers(observed(), subject, '{"hash":"x","part":"cut of'), "agent", "proxy")
    (job,) = reader_jobs(seen, subject)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["command"][-4:] == ["0", "1", "2", "40"]
    again = beside(with_answers(seen, subject, '{"parts":2}'), "agent", "proxy")
    (job,) = reader_jobs(again, subject)
    commands = [container["command"][-4:-1] for container in job["spec"]["template"]["spec"]["containers"]]
    assert commands == [["0", "2", "2"], ["1", "2", "2"]]


@pytest.mark.parametrize("answer", ['{"parts":1}', '{"parts":-1}', '{"parts":true}', "[" * 4000])
def test_hostile_answer_ends(answer: str) -> None:
    """An answer that no reader gives makes no further Job, and planning ends."""
    subject = service()
    seen = with_answers(observed(), subject, answer)
    assert reader_jobs(seen, subject) == []
    assert condition(seen, subject).reason == "ContractUnreadable"


def test_comparison_without_a_result() -> None:
    """Contracts that cannot be compared are no consent, and the condition names the cause."""
    seen = with_contract(serving(PAYMENTS), BREAKING)

    def crashing(check: Check) -> Result | None:
        return seen.checked(check) if check.kind is Kind.METHODS else Result(fault="it crashed")

    failed = replace(seen, checked=crashing)
    assert planned_image(failed, service()) == OLD
    found = condition(failed, service())
    assert (found.state, found.reason) == (State.FALSE, "ContractInvalid")
    assert found.message == (
        "users:1.5.0 waits, as nobody knows whether its contract breaks consumers: the contracts cannot be compared: "
        f"it crashed; users:1.4.0 goes on serving; this is tried again; {meta.ACCEPT_CONTRACT}={NEW} lets the image "
        "through unread"
    )
    assert planned_image(failed, service(annotations={meta.ACCEPT_CONTRACT: NEW})) == NEW


@pytest.mark.parametrize(("unfinished", "image"), [(False, NEW), (True, OLD)])
def test_check_without_an_end(unfinished: bool, image: str) -> None:
    """An invalid contract is the image's own; a check that came to no end says nothing about the contract."""
    seen = with_contract(serving(PAYMENTS), BREAKING)

    def checked(check: Check) -> Result | None:
        if check.contract == BREAKING:
            return Result(fault="the check took longer than 10 s", unfinished=unfinished)
        return seen.checked(check)

    assert planned_image(replace(seen, checked=checked), service()) == image
