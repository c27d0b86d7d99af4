"""Reading of contracts: the reader Job, the published ConfigMap, faults and retries."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from freehold.agents import contract_reader
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
    POLICY,
    condition,
    planned_image,
    reader_jobs,
    ready_condition,
    service,
    serving,
    with_answers,
    with_contract,
)
from tests.unit.core.worlds import DATABASE, GRPC, NOW, objects_of, observed, peer, peers, placed, reconcile, settled


def test_reader_has_no_credentials_and_no_network() -> None:
    """A reader pod has no Secret, an unreachable database URL, and a policy that allows no traffic."""
    consumes = [{"name": "payments"}]
    subject = service(grpc={**GRPC, "tls": "Mutual"}, database=DATABASE, consumes=consumes)
    mutual = peers(peer("payments", grpc={**GRPC, "tls": "Mutual"}))
    plan = contracts.plan(Case(subject, observed(peers=mutual)))
    (job,) = [body for body in plan.objects if body["kind"] == "Job"]
    text = json.dumps(job)
    assert "secret" not in text.lower()
    assert not any(word in text for word in ("GRPC_TLS", "PAYMENTS_GRPC_TLS", "GRPC_HEALTH_PORT", "identity"))
    (sidecar,) = job["spec"]["template"]["spec"]["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    variables = {variable["name"]: variable["value"] for variable in sidecar["env"]}
    assert variables["DATABASE_URL"] == "postgresql://nobody@127.0.0.1:1/nowhere"
    assert variables["PAYMENTS_GRPC_TARGET"] == "dns:///payments.shop.svc:50051"
    assert {mount["name"] for mount in sidecar["volumeMounts"]} == {"tmp", "bindings"}
    policy = objects_of([plan])[POLICY]
    assert (policy["spec"]["ingress"], policy["spec"]["egress"]) == ([], [])
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= job["spec"]["template"]["metadata"]["labels"].items()


def test_reader_is_not_selected_as_service() -> None:
    """Reader pods do not carry the component label of the service."""
    (job,) = reader_jobs(observed(), service())
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert labels[meta.COMPONENT] != meta.SERVICE, "the Service and network policies select the component service"


def test_contract_is_published_and_reader_removed() -> None:
    """An answer becomes a ConfigMap, and the Job is removed."""
    subject = service()
    seen = with_answers(observed(), subject, offered.answer(offered.users()))
    plan = contracts.plan(Case(subject, seen))
    (made,) = plan.objects
    assert published.content(made) == offered.users()
    assert made["metadata"]["annotations"][meta.IMAGE] == NEW
    assert plan.keep == {POLICY}, "kept until the reader pod has ended"
    gone = replace(placed(seen, [plan]), pods=())
    assert contracts.plan(Case(subject, gone)).keep == frozenset()
    found = condition(gone, subject)
    assert (found.state, found.message) == (
        State.TRUE,
        "shop.users.v1.UsersService: 3 methods, read from users:1.5.0",
    )


def test_first_image_rolls_out_at_once() -> None:
    """The first image of a service does not wait for a reader."""
    subject, consumers = service(), peers(PAYMENTS)
    assert DEPLOYMENT in objects_of(reconcile(subject, observed(peers=consumers)))
    assert ready_condition(settled(subject, observed(peers=consumers)), subject)["status"] == State.TRUE


def test_large_contract_is_read_in_parts() -> None:
    """A contract too large for one reader is read in parts, which must belong together."""
    subject = service()
    seen = with_answers(observed(), subject, '{"parts":3}')
    (job,) = reader_jobs(seen, subject)
    commands = [container["command"][-4:-2] for container in job["spec"]["template"]["spec"]["containers"]]
    assert commands == [["0", "3"], ["1", "3"], ["2", "3"]]
    assert len(contracts.plan(Case(subject, seen)).keep) == 2, "the first Job and the network policy"
    text = json.loads(offered.answer(offered.users()))
    third = len(text["part"]) // 3 + 1
    parts = [json.dumps({**text, "part": text["part"][at : at + third]}) for at in (0, third, 2 * third)]
    whole = with_answers(seen, subject, *parts)
    assert published.content(contracts.plan(Case(subject, whole)).objects[0]) == offered.users()
    torn = with_answers(seen, subject, parts[0], parts[1], json.dumps({**text, "hash": "another"}))
    assert condition(torn, subject).reason == "ContractUnreadable"


FAULTS = [
    (
        '{"fault":"ContractUnreadable","message":"no reflection"}',
        "ContractUnreadable",
        "no reflection; let the image answer gRPC",
    ),
    ('{"fault":"ContractInvalid","message":"it names service x.Y and does not describe it"}', "ContractInvalid", "x.Y"),
    ('{"tooLarge":70000}', "ContractTooLarge", "the descriptors take 70000 bytes, more than a reader can return"),
    (offered.answer(b"\xff\xff\xff"), "ContractInvalid", "the bytes are not a google.protobuf.FileDescriptorSet"),
]


@pytest.mark.parametrize(("answer", "reason", "message"), FAULTS, ids=[reason for _, reason, _ in FAULTS])
def test_unreadable_contract_holds_nothing_back(answer: str, reason: str, message: str) -> None:
    """A fault is reported, and neither Ready nor the rollout is affected."""
    subject = service()
    seen = with_answers(serving(PAYMENTS), subject, answer)
    found = condition(seen, subject)
    assert (found.state, found.reason) == (State.FALSE, reason)
    assert message in found.message
    assert planned_image(seen, subject) == NEW
    after = placed(seen, reconcile(subject, seen))
    assert ready_condition(after, subject)["status"] == State.TRUE


def test_crash_of_the_service_is_the_cause() -> None:
    """The message holds the crash of the service beside the reader, if any."""
    subject = service()
    seen = with_answers(observed(), subject, '{"fault":"ContractUnreadable","message":"nothing answers"}')
    ended = {"exitCode": 3, "message": "no such flag: --serve"}
    crashed = {"name": "service", "restartCount": 2, "state": {"waiting": {}}, "lastState": {"terminated": ended}}
    (pod,) = seen.pods
    pod = {**pod, "status": {**pod["status"], "initContainerStatuses": [crashed]}}
    assert "stopped with exit code 3: no such flag: --serve" in condition(replace(seen, pods=(pod,)), subject).message
    ended_later = {**crashed, "restartCount": 0, "state": {"terminated": {"exitCode": 137}}, "lastState": {}}
    pod = {**pod, "status": {**pod["status"], "initContainerStatuses": [ended_later]}}
    assert "nothing answers" in condition(replace(seen, pods=(pod,)), subject).message


def test_silent_reader_is_repeated_ever_less_often() -> None:
    """A reader without an answer is followed by another, with growing pauses."""
    subject = service()
    seen = with_answers(observed(), subject, "")
    (job,) = [ref for ref in seen.objects if ref.kind == "Job"]
    plan = contracts.plan(Case(subject, seen))
    assert job in plan.keep
    assert plan.retry_after == 300
    status = report(Case(subject, seen), reconcile(subject, seen)).status
    due = replace(seen, now=NOW + timedelta(minutes=5), status=status)
    assert job not in contracts.plan(Case(subject, due)).keep
    anew = replace(due, objects={ref: live for ref, live in due.objects.items() if ref != job}, pods=())
    assert len(reader_jobs(anew, subject)) == 1
    assert condition(anew, subject).reason == "ContractUnreadable", (
        "the last fault is reported until the next reader has answered"
    )
    later = NOW + timedelta(hours=5)
    old = [{**c, "lastTransitionTime": "2026-01-01T00:00:00Z"} for c in status["conditions"]]
    assert contracts.plan(Case(subject, replace(seen, status={"conditions": old}))).retry_after == 3600
    assert job not in contracts.plan(Case(subject, replace(seen, now=later, status={"conditions": old}))).keep


@pytest.mark.parametrize(("again", "seconds"), [(True, 300), (False, None)])
def test_only_temporary_faults_are_read_again(again: bool, seconds: float | None) -> None:
    """A temporary fault leads to another reader, a permanent fault does not."""
    subject = service()
    answer = {"fault": "ContractUnreadable", "message": "nothing answers", "retry": again}
    seen = with_answers(observed(), subject, json.dumps(answer))
    assert contracts.plan(Case(subject, seen)).retry_after == seconds
    assert len(reader_jobs(seen, service(resources={"limits": {"memory": "2Gi"}}))) == 1, (
        "more resources make a new Job"
    )


def test_invalid_contract_is_read_again_only_on_request() -> None:
    """An invalid contract is read again only on request by annotation."""
    subject = service()
    seen = with_answers(observed(), subject, '{"fault":"ContractInvalid","message":"wrong descriptors"}')
    late = replace(seen, now=NOW + timedelta(days=1))
    assert not reader_jobs(late, subject)
    assert contracts.plan(Case(subject, late)).retry_after is None
    again = replace(subject, annotations={meta.READ_CONTRACT: "please"})
    assert len(reader_jobs(late, again)) == 1


def test_no_reader_without_operator_image() -> None:
    """Without the operator's own image no contract is read, and nothing is held back."""
    subject, platform = service(), Platform()
    seen = replace(serving(PAYMENTS), platform=platform)
    plan = contracts.plan(Case(subject, seen))
    assert not [body for body in plan.objects if body["kind"] != "ConfigMap"]
    assert condition(seen, subject).reason == "ContractNotRead"
    assert planned_image(seen, subject) == NEW
    assert planned_image(with_contract(seen, BREAKING), subject) == NEW


def test_no_reader_with_contract_none() -> None:
    """With spec.grpc.contract None, no contract is read, and nothing is held back."""
    subject = service(grpc={**GRPC, "contract": "None"})
    seen = with_contract(serving(PAYMENTS), BREAKING)
    assert contracts.plan(Case(subject, seen)) == Plan(contracts.CAPABILITY, ())
    assert planned_image(seen, subject) == NEW


def test_reader_has_the_resources_of_the_service() -> None:
    """The image is read with the resources of the service."""
    (job,) = reader_jobs(observed(), service(resources={"limits": {"memory": "2Gi"}}))
    (sidecar,) = job["spec"]["template"]["spec"]["initContainers"]
    assert sidecar["resources"]["limits"]["memory"] == "2Gi"
    assert job["spec"]["template"]["spec"]["activeDeadlineSeconds"] == reader_job.DEADLINE_SECONDS


def test_reader_has_the_time_of_the_service() -> None:
    """A service that declares a longer start gets as much more time to answer, and is read again with it."""
    assert contract_reader.CONNECT_SECONDS == reader_job.CONNECT_SECONDS
    (usual,), (short,), (long,) = (
        reader_jobs(observed(), service(startupTimeout=time)) for time in (None, "30s", "200s")
    )
    spec = long["spec"]["template"]["spec"]
    assert spec["containers"][0]["command"][-5:] == ["50051", "0", "1", "0", "200"]
    assert spec["activeDeadlineSeconds"] == reader_job.DEADLINE_SECONDS + 160
    assert long["spec"]["activeDeadlineSeconds"] == spec["activeDeadlineSeconds"] + reader_job.SPARE_SECONDS
    assert usual["spec"] == short["spec"]
    assert usual["metadata"]["name"] != long["metadata"]["name"]
