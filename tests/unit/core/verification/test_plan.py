"""When a service's walls are tried, from where, and what is said of what was found."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from freehold.core import verification
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, State
from freehold.core.model.resources import Key, Object, Observed, Plan, Ref, Service
from freehold.core.reconcile import report
from freehold.core.verification import probe_job

from tests.unit.core.worlds import DATABASE, NOW, observed, peer, peers, reconcile, service, settled

ADDRESSES = {
    Key("shop", "users"): ("users.shop.svc:50051", "users-database.shop.svc:5432"),
    Key("shop", "payments"): ("payments.shop.svc:50051", "payments-database.shop.svc:5432"),
    Key("shop", "storefront"): ("storefront.shop.svc:8080",),
}
PAYMENTS = service("payments", database=DATABASE, consumes=[{"name": "users"}])
MINUTE = timedelta(minutes=1)


def well(subject: Service = PAYMENTS, **seen: Any) -> Observed:
    """A service at rest whose status says so."""
    usual = {"peers": peers(peer("users")), "addresses": ADDRESSES}
    found = settled(subject, observed(**{**usual, **seen}))
    return replace(found, status=report(Case(subject, found), reconcile(subject, found)).status)


def asked(seen: Observed, subject: Service = PAYMENTS) -> Plan:
    return verification.plan(Case(subject, seen))


def said(seen: Observed, subject: Service = PAYMENTS) -> Condition:
    condition = asked(seen, subject).condition
    assert condition
    return condition


def probed(seen: Observed, answer: object, subject: Service = PAYMENTS, after: timedelta = MINUTE) -> Observed:
    """The cluster once the probe that is asked for has run, and ended with these words."""
    (job,) = asked(seen, subject).objects
    now = (NOW + after).strftime("%Y-%m-%dT%H:%M:%SZ")
    done = {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": now}]}
    ended = {"exitCode": 0, "finishedAt": now, "message": answer if isinstance(answer, str) else json.dumps(answer)}
    labels = {**job["spec"]["template"]["metadata"]["labels"], "batch.kubernetes.io/job-name": job["metadata"]["name"]}
    metadata = {"name": f"{job['metadata']['name']}-x", "labels": labels}
    pod: Object = {"metadata": metadata, "status": {"containerStatuses": [{"state": {"terminated": ended}}]}}
    objects = {**seen.objects, Ref("Job", job["metadata"]["name"]): {**job, "status": done}}
    return replace(seen, objects=objects, pods=(pod,), now=NOW + after)


def recorded(seen: Observed, subject: Service = PAYMENTS) -> Observed:
    """The same once what was found is in the status and the probe is removed."""
    status = report(Case(subject, seen), reconcile(subject, seen)).status
    objects = {ref: live for ref, live in seen.objects.items() if "-probe-" not in ref.name}
    return replace(seen, status=status, objects=objects, pods=())


CLEAN = {"tried": 4, "differences": []}
WRONG = {"tried": 4, "differences": [["users-database.shop.svc:5432", "Open"]]}


def test_a_probe_tries_every_door_as_it_is_declared() -> None:
    (job,) = asked(well()).objects
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["command"][:3] == ["python3", "-m", "freehold.agents.connectivity_probe"]
    assert container["command"][3:] == [
        "--open=payments-database.shop.svc:5432",
        "--open=users.shop.svc:50051",
        "--closed=storefront.shop.svc:8080",
        "--closed=users-database.shop.svc:5432",
    ]


def test_a_provider_that_does_not_answer_or_consent_is_no_proof_of_anything() -> None:
    away = well(peers=peers(peer("users", ready=False)))
    assert "users.shop.svc:50051" not in str(asked(away).objects)
    refused = service("payments", consumes=[{"name": "users", "namespace": "accounts"}])
    abroad = {**ADDRESSES, Key("accounts", "users"): ("users.accounts.svc:50051",)}
    seen = well(refused, peers=peers(peer("users", "accounts")), addresses=abroad)
    assert "--closed=users.accounts.svc:50051" in str(asked(seen, refused).objects)


def test_a_probe_stands_where_the_service_stands_and_is_not_of_it() -> None:
    (job,) = asked(well()).objects
    template = job["spec"]["template"]
    assert (
        template["metadata"]["labels"].items()
        >= {
            "app.kubernetes.io/instance": "payments",
            "app.kubernetes.io/component": "service",
            "app.kubernetes.io/managed-by": "freehold",
            "freehold.dev/probe": "true",
        }.items()
    )
    spec = template["spec"]
    assert spec["serviceAccountName"] == "payments" and spec["automountServiceAccountToken"] is False
    assert "volumes" not in spec and "env" not in spec["containers"][0]
    assert spec["readinessGates"], "a probe that were Ready would be called"
    (term,) = spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "kubernetes.io/hostname"


def test_many_doors_are_sampled_fairly() -> None:
    many = {Key("shop", f"a{n}"): (f"a{n}.shop.svc:50051",) for n in range(1000)}
    seen, tried = well(addresses=many), set()
    for round_ in range(60):
        (job,) = asked(seen).objects
        shut = [
            word for word in job["spec"]["template"]["spec"]["containers"][0]["command"] if word.startswith("--closed")
        ]
        assert len(shut) == probe_job.SAMPLE
        tried |= set(shut)
        seen = replace(recorded(probed(seen, CLEAN, after=round_ * verification.PERIOD)), addresses=many)
        seen = replace(seen, now=seen.now + verification.PERIOD)
    assert len(tried) > 990, "each door has its turn"


def test_what_it_found_is_said_and_kept_and_the_probe_is_removed() -> None:
    seen = probed(well(), CLEAN)
    assert said(seen).state is State.TRUE
    assert "4 of 4 pairs as declared, proven 2026-01-02T03:05:05Z" in said(seen).message
    assert asked(seen).keep, "it stays until its result is in the status"
    after = recorded(seen)
    assert after.status["isolation"]["pairs"] == 4
    plan = asked(after)
    assert (plan.objects, plan.keep) == ((), frozenset())
    assert plan.again == verification.PERIOD.total_seconds()
    assert said(after) == said(seen)


def test_a_difference_is_named_and_tried_again_soon_and_then_less_often() -> None:
    seen = recorded(probed(well(), WRONG))
    assert said(seen).state is State.FALSE
    assert "shop/payments → users-database.shop.svc:5432 is open" in said(seen).message
    assert seen.status["isolation"]["differences"] == [
        {"from": "shop/payments", "to": "users-database.shop.svc:5432", "declared": "Closed", "found": "Open"}
    ]
    assert report(Case(PAYMENTS, seen), reconcile(PAYMENTS, seen)).status["conditions"][0]["status"] == "False"
    assert asked(seen).again == 30
    later = replace(seen, now=seen.now + timedelta(seconds=30))
    again = recorded(probed(later, WRONG, after=5 * MINUTE))
    assert asked(again).again == 240, "as long again as it has been so"
    assert recorded(probed(later, CLEAN, after=5 * MINUTE)).status["isolation"]["differences"] == []


def test_a_provider_that_does_not_answer_is_named_and_held_against_nobody() -> None:
    shut = {"tried": 4, "differences": [["users.shop.svc:50051", "Closed"]]}
    seen = recorded(probed(well(), shut))
    assert (said(seen).state, said(seen).reason) == (State.UNKNOWN, "Unreachable")
    assert "1 of 4 pairs is not as declared" in said(seen).message
    assert report(Case(PAYMENTS, seen), reconcile(PAYMENTS, seen)).status["conditions"][0]["status"] == "True"
    assert asked(seen).again == 60, "it has not been known for a minute"


@pytest.mark.parametrize(
    ("says", "change", "expected"),
    [
        ("nothing happened", lambda seen: seen, False),
        ("an hour has passed", lambda seen: replace(seen, now=seen.now + verification.PERIOD), True),
        ("a wall changed", lambda seen: replace(seen, objects=rebuilt(seen.objects)), True),
        ("its walls do not stand", lambda seen: replace(rebuilt_world(seen), breaches=("a → b is open",)), False),
        ("policies are not enforced", lambda seen: replace(rebuilt_world(seen), unenforced=("a → b",)), False),
    ],
)
def test_it_is_tried_again_when(says: str, change: Any, expected: bool) -> None:
    seen = change(recorded(probed(well(), CLEAN)))
    assert bool(asked(seen).objects) is expected, says


def test_it_is_tried_when_somebody_asks() -> None:
    seen = recorded(probed(well(), CLEAN))
    assert asked(seen, replace(PAYMENTS, annotations={"freehold.dev/verify-isolation": "now"})).objects


def test_it_is_not_tried_before_the_service_is_well() -> None:
    assert not asked(replace(well(), status={})).objects
    assert not asked(observed(addresses=ADDRESSES)).objects


def test_a_probe_that_found_nothing_is_made_anew_after_a_while() -> None:
    seen = probed(well(), "killed")
    assert (said(seen).state, said(seen).reason) == (State.UNKNOWN, "ProbeFailed")
    assert asked(seen).keep and asked(seen).again == 300
    assert not asked(replace(seen, now=seen.now + verification.AFTER_FAILURE)).keep


@pytest.mark.parametrize("trouble", ["breaches", "unenforced"])
def test_what_the_sentinel_saw_is_said_at_once_and_taken_back(trouble: str) -> None:
    proven = recorded(probed(well(), CLEAN))
    seen = replace(proven, **{trouble: ("freehold-system/freehold → payments-database.shop.svc:5432 is open",)})
    assert said(seen).state is State.FALSE
    assert "payments-database.shop.svc:5432 is open" in said(seen).message
    assert "enforces NetworkPolicies" in said(seen).message
    assert said(replace(seen, **{trouble: ()})).state is State.TRUE


def test_a_service_is_ready_without_a_proof_and_not_with_a_bad_one() -> None:
    fresh = well()
    ready = fresh.status["conditions"][0]
    assert (ready["status"], said(fresh).state) == ("True", State.UNKNOWN)


def rebuilt(objects: Any) -> Any:
    """The same objects, with another wall wanted."""
    ref = Ref("NetworkPolicy", "payments")
    metadata = {**objects[ref]["metadata"], "annotations": {"freehold.dev/applied-hash": "another"}}
    return {**objects, ref: {**objects[ref], "metadata": metadata}}


def rebuilt_world(seen: Observed) -> Observed:
    return replace(seen, objects=rebuilt(seen.objects))
