"""When isolation is verified, from where, and how results are reported."""

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

from tests.unit.core.worlds import DATABASE, NOW, observed, peer, peers, pod_of, reconcile, service, settled, with_uid

ADDRESSES = {
    Key("shop", "users"): ("users.shop.svc:50051", "users-database.shop.svc:5432"),
    Key("shop", "payments"): ("payments.shop.svc:50051", "payments-database.shop.svc:5432"),
    Key("shop", "storefront"): ("storefront.shop.svc:8080",),
}
PAYMENTS = service("payments", database=DATABASE, consumes=[{"name": "users"}])
MINUTE = timedelta(minutes=1)


def ready(subject: Service = PAYMENTS, **fields: Any) -> Observed:
    """Return the observation of a service at rest, with status."""
    defaults = {"peers": peers(peer("users")), "addresses": ADDRESSES}
    seen = settled(subject, observed(**{**defaults, **fields}))
    return replace(seen, status=report(Case(subject, seen), reconcile(subject, seen)).status)


def plan_of(seen: Observed, subject: Service = PAYMENTS) -> Plan:
    """Return the plan of verification."""
    return verification.plan(Case(subject, seen))


def condition_of(seen: Observed, subject: Service = PAYMENTS) -> Condition:
    """Return condition IsolationVerified."""
    condition = plan_of(seen, subject).condition
    assert condition
    return condition


def probed(seen: Observed, answer: object, subject: Service = PAYMENTS, after: timedelta = MINUTE) -> Observed:
    """Return the observation once the planned probe has ended. answer: the termination message."""
    (job,) = plan_of(seen, subject).objects
    now = (NOW + after).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": now}]}
    ended = {"exitCode": 0, "finishedAt": now, "message": answer if isinstance(answer, str) else json.dumps(answer)}
    pod: Object = {**pod_of(job), "status": {"containerStatuses": [{"name": "probe", "state": {"terminated": ended}}]}}
    objects = {**seen.objects, Ref("Job", job["metadata"]["name"]): {**with_uid(job), "status": status}}
    return replace(seen, objects=objects, pods=(pod,), now=NOW + after)


def recorded(seen: Observed, subject: Service = PAYMENTS) -> Observed:
    """Return the observation once the status has the result and the probe is removed."""
    status = report(Case(subject, seen), reconcile(subject, seen)).status
    objects = {ref: live for ref, live in seen.objects.items() if "-probe-" not in ref.name}
    return replace(seen, status=status, objects=objects, pods=())


def with_changed_policy(objects: Any) -> Any:
    """Return the objects with another wanted network policy."""
    ref = Ref("NetworkPolicy", "payments")
    metadata = {**objects[ref]["metadata"], "annotations": {"freehold.dev/applied-hash": "another"}}
    return {**objects, ref: {**objects[ref], "metadata": metadata}}


def after_policy_change(seen: Observed) -> Observed:
    """Return the observation with another wanted network policy."""
    return replace(seen, objects=with_changed_policy(seen.objects))


CLEAN = {"tried": 4, "differences": []}
WRONG = {"tried": 4, "differences": [["users-database.shop.svc:5432", "Open"]]}


def test_probe_tries_declared_ports() -> None:
    """A probe tries ports declared open and ports declared closed."""
    (job,) = plan_of(ready()).objects
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["command"][:3] == ["python3", "-m", "freehold.agents.connectivity_probe"]
    assert container["command"][3:] == [
        "--open=payments-database.shop.svc:5432",
        "--open=users.shop.svc:50051",
        "--closed=storefront.shop.svc:8080",
        "--closed=users-database.shop.svc:5432",
    ]


def test_probe_without_ready_or_consent() -> None:
    """A provider that is not ready is not tried as open; without consent a port must be closed."""
    not_ready = ready(peers=peers(peer("users", ready=False)))
    assert "users.shop.svc:50051" not in str(plan_of(not_ready).objects)
    refused = service("payments", consumes=[{"name": "users", "namespace": "accounts"}])
    addresses = {**ADDRESSES, Key("accounts", "users"): ("users.accounts.svc:50051",)}
    seen = ready(refused, peers=peers(peer("users", "accounts")), addresses=addresses)
    assert "--closed=users.accounts.svc:50051" in str(plan_of(seen, refused).objects)


def test_probe_position_and_rights() -> None:
    """A probe has the service's labels, account and node, no credentials, and is never Ready."""
    (job,) = plan_of(ready()).objects
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
    assert spec["readinessGates"], "a Ready probe would be an endpoint"
    (term,) = spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "kubernetes.io/hostname"


def test_probe_samples_all_ports() -> None:
    """Random samples cover nearly all ports in 60 probes."""
    many = {Key("shop", f"a{n}"): (f"a{n}.shop.svc:50051",) for n in range(1000)}
    seen, tried = ready(addresses=many), set()
    for round_ in range(60):
        (job,) = plan_of(seen).objects
        command = job["spec"]["template"]["spec"]["containers"][0]["command"]
        closed = [argument for argument in command if argument.startswith("--closed")]
        assert len(closed) == probe_job.SAMPLE
        tried |= set(closed)
        seen = replace(recorded(probed(seen, CLEAN, after=round_ * verification.PERIOD)), addresses=many)
        seen = replace(seen, now=seen.now + verification.PERIOD)
    assert len(tried) > 990, "nearly all ports are tried"


def test_result_kept_in_status() -> None:
    """The result is reported and kept in the status; then the probe is removed."""
    seen = probed(ready(), CLEAN)
    assert condition_of(seen).state is State.TRUE
    assert "4 of 4 pairs as declared, verified 2026-01-02T03:05:05Z" in condition_of(seen).message
    assert plan_of(seen).keep, "the Job stays until the status has the result"
    after = recorded(seen)
    assert after.status["isolation"]["pairs"] == 4
    plan = plan_of(after)
    assert (plan.objects, plan.keep) == ((), frozenset())
    assert plan.retry_after == verification.PERIOD.total_seconds()
    assert condition_of(after) == condition_of(seen)


def test_result_mismatch_retried() -> None:
    """A difference is named and verified again soon, then less often."""
    seen = recorded(probed(ready(), WRONG))
    assert condition_of(seen).state is State.FALSE
    assert "shop/payments → users-database.shop.svc:5432 is open" in condition_of(seen).message
    assert seen.status["isolation"]["differences"] == [
        {"from": "shop/payments", "to": "users-database.shop.svc:5432", "declared": "Closed", "found": "Open"}
    ]
    assert report(Case(PAYMENTS, seen), reconcile(PAYMENTS, seen)).status["conditions"][0]["status"] == "False"
    assert plan_of(seen).retry_after == 30
    later = replace(seen, now=seen.now + timedelta(seconds=30))
    again = recorded(probed(later, WRONG, after=5 * MINUTE))
    assert plan_of(again).retry_after == 240, "as long as the difference has lasted"
    assert recorded(probed(later, CLEAN, after=5 * MINUTE)).status["isolation"]["differences"] == []


def test_result_unreachable_keeps_ready() -> None:
    """An unreachable provider is named and does not affect Ready."""
    unreachable = {"tried": 4, "differences": [["users.shop.svc:50051", "Closed"]]}
    seen = recorded(probed(ready(), unreachable))
    assert (condition_of(seen).state, condition_of(seen).reason) == (State.UNKNOWN, "Unreachable")
    assert "1 of 4 pairs is not as declared" in condition_of(seen).message
    assert report(Case(PAYMENTS, seen), reconcile(PAYMENTS, seen)).status["conditions"][0]["status"] == "True"
    assert plan_of(seen).retry_after == 60, "the difference is younger than a minute"


@pytest.mark.parametrize(
    ("description", "change", "expected"),
    [
        ("nothing changed", lambda seen: seen, False),
        ("an hour has passed", lambda seen: replace(seen, now=seen.now + verification.PERIOD), True),
        ("a network policy changed", after_policy_change, True),
        (
            "an unexpectedly reachable port",
            lambda seen: replace(after_policy_change(seen), breaches=("a → b is open",)),
            False,
        ),
        ("policies are not enforced", lambda seen: replace(after_policy_change(seen), unenforced=("a → b",)), False),
    ],
)
def test_probe_repeated_when(description: str, change: Any, expected: bool) -> None:
    """A probe repeats after an hour and after changes of policies, not while policies are not enforced."""
    seen = change(recorded(probed(ready(), CLEAN)))
    assert bool(plan_of(seen).objects) is expected, description


def test_probe_on_request() -> None:
    """A new value of the annotation requests a probe."""
    seen = recorded(probed(ready(), CLEAN))
    assert plan_of(seen, replace(PAYMENTS, annotations={"freehold.dev/verify-isolation": "now"})).objects


def test_probe_waits_for_endpoint() -> None:
    """No probe runs before the endpoint is ready."""
    assert not plan_of(replace(ready(), status={})).objects
    assert not plan_of(observed(addresses=ADDRESSES)).objects


def test_probe_without_result_repeated() -> None:
    """A probe without a result is removed after a while and created anew."""
    seen = probed(ready(), "killed")
    assert (condition_of(seen).state, condition_of(seen).reason) == (State.UNKNOWN, "ProbeFailed")
    assert plan_of(seen).keep and plan_of(seen).retry_after == 300
    assert not plan_of(replace(seen, now=seen.now + verification.AFTER_FAILURE)).keep


@pytest.mark.parametrize("trouble", ["breaches", "unenforced"])
def test_sentinel_findings_reported(trouble: str) -> None:
    """Findings of the sentinel are reported at once, and end with the finding."""
    verified = recorded(probed(ready(), CLEAN))
    seen = replace(verified, **{trouble: ("freehold-system/freehold → payments-database.shop.svc:5432 is open",)})
    assert condition_of(seen).state is State.FALSE
    assert "payments-database.shop.svc:5432 is open" in condition_of(seen).message
    assert "enforces NetworkPolicies" in condition_of(seen).message
    assert condition_of(replace(seen, **{trouble: ()})).state is State.TRUE


def test_ready_before_first_probe() -> None:
    """A service is Ready before the first probe."""
    seen = ready()
    condition = seen.status["conditions"][0]
    assert (condition["status"], condition_of(seen).state) == ("True", State.UNKNOWN)


def test_scaled_to_zero() -> None:
    """A service without pods waits for no probe."""
    none = service("payments", replicas=0)
    found = condition_of(ready(none), none)
    assert (found.state, found.reason) == (State.UNKNOWN, "NotProbedYet")
    assert found.message == "scaled to zero: nothing is probed until spec.replicas is raised"
