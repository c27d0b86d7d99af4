"""What an image offers: how it is asked, and what is published or said of its answer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from freehold.core import contracts
from freehold.core.contracts import published, reader_job
from freehold.core.model.case import Case
from freehold.core.model.conditions import State
from freehold.core.model.resources import Plan, Platform
from freehold.core.objects import meta
from freehold.core.reconcile import report

from tests import offered
from tests.unit.core.offers import (
    BREAKING,
    DEPLOYMENT,
    NEW,
    PAYMENTS,
    WALL,
    answered,
    asking,
    condition,
    image_of,
    is_ready,
    known,
    service,
    serving,
)
from tests.unit.core.worlds import DATABASE, GRPC, NOW, objects_of, observed, peer, peers, placed, reconcile, settled


def test_a_reader_is_given_no_credentials_and_no_way_out() -> None:
    consumes = [{"name": "payments"}]
    subject = service(grpc={**GRPC, "tls": "Mutual"}, database=DATABASE, consumes=consumes)
    mutual = peers(peer("payments", grpc={**GRPC, "tls": "Mutual"}))
    plan = contracts.plan(Case(subject, observed(peers=mutual)))
    (job,) = [body for body in plan.objects if body["kind"] == "Job"]
    text = json.dumps(job)
    assert "secret" not in text.lower()
    assert not any(word in text for word in ("GRPC_TLS", "PAYMENTS_GRPC_TLS", "GRPC_HEALTH_PORT", "identity"))
    (asked,) = job["spec"]["template"]["spec"]["initContainers"]
    assert asked["restartPolicy"] == "Always"
    variables = {variable["name"]: variable["value"] for variable in asked["env"]}
    assert variables["DATABASE_URL"] == "postgresql://nobody@127.0.0.1:1/nowhere"
    assert variables["PAYMENTS_GRPC_TARGET"] == "dns:///payments.shop.svc:50051"
    assert {mount["name"] for mount in asked["volumeMounts"]} == {"tmp", "bindings"}
    wall = objects_of([plan])[WALL]
    assert (wall["spec"]["ingress"], wall["spec"]["egress"]) == ([], [])
    assert wall["spec"]["podSelector"]["matchLabels"].items() <= job["spec"]["template"]["metadata"]["labels"].items()


def test_a_reader_answers_to_nobody_s_call() -> None:
    (job,) = asking(observed(), service())
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert labels[meta.COMPONENT] != meta.SERVICE, "the Service and every wall select the service's own pods"


def test_what_is_read_is_published_and_the_reader_removed() -> None:
    subject = service()
    seen = answered(observed(), subject, offered.answer(offered.users()))
    plan = contracts.plan(Case(subject, seen))
    (made,) = plan.objects
    assert published.content(made) == offered.users()
    assert made["metadata"]["annotations"][meta.IMAGE] == NEW
    assert plan.keep == {WALL}, "until its pod has ended"
    gone = replace(placed(seen, [plan]), pods=())
    assert contracts.plan(Case(subject, gone)).keep == frozenset()
    said = condition(gone, subject)
    assert (said.state, said.message) == (
        State.TRUE,
        "shop.users.v1.UsersService: 3 methods, as read from users:1.5.0",
    )


def test_the_first_image_of_a_service_waits_for_nobody() -> None:
    subject, consumers = service(), peers(PAYMENTS)
    assert DEPLOYMENT in objects_of(reconcile(subject, observed(peers=consumers)))
    assert is_ready(settled(subject, observed(peers=consumers)), subject)["status"] == State.TRUE


def test_an_answer_that_does_not_fit_is_asked_for_in_parts() -> None:
    subject = service()
    seen = answered(observed(), subject, '{"parts":3}')
    (job,) = asking(seen, subject)
    commands = [container["command"][-2:] for container in job["spec"]["template"]["spec"]["containers"]]
    assert commands == [["0", "3"], ["1", "3"], ["2", "3"]]
    assert len(contracts.plan(Case(subject, seen)).keep) == 2, "the first reader, which said so, and the wall"
    text = json.loads(offered.answer(offered.users()))
    third = len(text["part"]) // 3 + 1
    parts = [json.dumps({**text, "part": text["part"][at : at + third]}) for at in (0, third, 2 * third)]
    whole = answered(seen, subject, *parts)
    assert published.content(contracts.plan(Case(subject, whole)).objects[0]) == offered.users()
    torn = answered(seen, subject, parts[0], parts[1], json.dumps({**text, "hash": "another"}))
    assert condition(torn, subject).reason == "ContractUnreadable"


FAULTS = [
    (
        '{"fault":"ContractUnreadable","message":"no reflection"}',
        "ContractUnreadable",
        "no reflection; let it answer gRPC",
    ),
    ('{"fault":"ContractInvalid","message":"it names service x.Y and does not describe it"}', "ContractInvalid", "x.Y"),
    ('{"tooLarge":70000}', "ContractTooLarge", "its descriptors take 70000 bytes, more than a reader can answer with"),
    (offered.answer(b"\xff\xff\xff"), "ContractInvalid", "these bytes are no google.protobuf.FileDescriptorSet"),
    ("Traceback: out of luck", "ContractUnreadable", "the reader ended without a word"),
]


@pytest.mark.parametrize(("answer", "reason", "words"), FAULTS, ids=[reason for _, reason, _ in FAULTS])
def test_what_cannot_be_read_is_said_and_hinders_nothing(answer: str, reason: str, words: str) -> None:
    subject = service()
    seen = answered(serving(PAYMENTS), subject, answer)
    said = condition(seen, subject)
    assert (said.state, said.reason) == (State.FALSE, reason)
    assert words in said.message
    assert image_of(seen, subject) == NEW
    after = placed(seen, reconcile(subject, seen))
    assert is_ready(after, subject)["status"] == State.TRUE


def test_a_service_that_crashes_is_repeated() -> None:
    subject = service()
    seen = answered(observed(), subject, '{"fault":"ContractUnreadable","message":"nothing answers"}')
    ended = {"exitCode": 3, "message": "no such flag: --serve"}
    crashed = {"name": "service", "restartCount": 2, "state": {"waiting": {}}, "lastState": {"terminated": ended}}
    (pod,) = seen.pods
    pod = {**pod, "status": {**pod["status"], "initContainerStatuses": [crashed]}}
    assert "stopped with exit code 3: no such flag: --serve" in condition(replace(seen, pods=(pod,)), subject).message
    ended_with_it = {**crashed, "restartCount": 0, "state": {"terminated": {"exitCode": 137}}, "lastState": {}}
    pod = {**pod, "status": {**pod["status"], "initContainerStatuses": [ended_with_it]}}
    assert "nothing answers" in condition(replace(seen, pods=(pod,)), subject).message


def test_one_that_ended_without_a_word_is_followed_by_another_ever_less_often() -> None:
    subject = service()
    seen = answered(observed(), subject, "")
    (job,) = [ref for ref in seen.objects if ref.kind == "Job"]
    plan = contracts.plan(Case(subject, seen))
    assert job in plan.keep
    assert plan.again == 300
    said = report(Case(subject, seen), reconcile(subject, seen)).status
    due = replace(seen, now=NOW + timedelta(minutes=5), status=said)
    assert job not in contracts.plan(Case(subject, due)).keep
    anew = replace(due, objects={ref: live for ref, live in due.objects.items() if ref != job}, pods=())
    assert len(asking(anew, subject)) == 1
    assert condition(anew, subject).reason == "ContractUnreadable", "what was known is said until it is known better"
    later = NOW + timedelta(hours=5)
    old = [{**c, "lastTransitionTime": "2026-01-01T00:00:00Z"} for c in said["conditions"]]
    assert contracts.plan(Case(subject, replace(seen, status={"conditions": old}))).again == 3600
    assert job not in contracts.plan(Case(subject, replace(seen, now=later, status={"conditions": old}))).keep


@pytest.mark.parametrize(("again", "seconds"), [(True, 300), (False, None)])
def test_one_that_was_not_there_is_asked_again_and_one_that_does_not_know_how_is_not(
    again: bool, seconds: float | None
) -> None:
    subject = service()
    said = {"fault": "ContractUnreadable", "message": "nothing answers", "retry": again}
    seen = answered(observed(), subject, json.dumps(said))
    assert contracts.plan(Case(subject, seen)).again == seconds
    assert len(asking(seen, service(resources={"limits": {"memory": "2Gi"}}))) == 1, "it may have had too little memory"


def test_a_fault_that_another_look_would_not_change_is_not_looked_at_again() -> None:
    subject = service()
    seen = answered(observed(), subject, '{"fault":"ContractInvalid","message":"it lies"}')
    late = replace(seen, now=NOW + timedelta(days=1))
    assert not asking(late, subject)
    assert contracts.plan(Case(subject, late)).again is None
    again = replace(subject, annotations={meta.READ_CONTRACT: "please"})
    assert len(asking(late, again)) == 1


def test_without_the_operator_s_image_nobody_is_asked_and_nothing_held() -> None:
    subject, platform = service(), Platform()
    seen = replace(serving(PAYMENTS), platform=platform)
    plan = contracts.plan(Case(subject, seen))
    assert not [body for body in plan.objects if body["kind"] != "ConfigMap"]
    assert condition(seen, subject).reason == "ContractNotRead"
    assert image_of(seen, subject) == NEW
    assert image_of(known(seen, BREAKING), subject) == NEW


def test_one_that_does_not_answer_reflection_is_not_asked() -> None:
    subject = service(grpc={**GRPC, "contract": "None"})
    seen = known(serving(PAYMENTS), BREAKING)
    assert contracts.plan(Case(subject, seen)) == Plan(contracts.CAPABILITY, ())
    assert image_of(seen, subject) == NEW


def test_a_reader_takes_what_a_pod_may_have() -> None:
    (job,) = asking(observed(), service(resources={"limits": {"memory": "2Gi"}}))
    (asked,) = job["spec"]["template"]["spec"]["initContainers"]
    assert asked["resources"]["limits"]["memory"] == "2Gi"
    assert job["spec"]["template"]["spec"]["activeDeadlineSeconds"] == reader_job.DEADLINE_SECONDS
