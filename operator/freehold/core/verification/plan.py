"""Verification of isolation by connection attempts.

A probe runs with the service's labels and account on a node of the service, hence behind the same network policies, and
tries all ports declared open to the service and a random sample of other ports. A probe runs after changes of the
policies, on request, every hour, and sooner while something differs. The status keeps the result; the probe is removed.
In addition, the operator itself tries the service's ports continuously as an unmanaged pod (`monitors/sentinel.py`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from freehold.core.handover import routing
from freehold.core.model import messages
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Observed, Plan, Ref
from freehold.core.objects import deployments, jobs, meta, names, observer, troubles
from freehold.core.verification import probe_job

CAPABILITY = "verification"
PERIOD = timedelta(hours=1)
MIN_RETRY, MAX_RETRY = timedelta(seconds=30), timedelta(minutes=10)
"""The bounds of the time between probes while something differs; the time grows with the age of the difference."""
AFTER_FAILURE = timedelta(minutes=5)
NAMED = 3
"""Pairs, ports or nodes named in a message; the status lists the pairs."""
ENFORCE = "check that the cluster's network plugin enforces NetworkPolicies"
NO_RESULT = "the probe ended without a result"
Verification = dict[str, Any]
"""status.isolation: verifiedAt, pairs, differences, and policyHash, the digest of the verified policies."""


def plan(case: Case) -> Plan:
    """Return the probe Job if one is due, and condition and status of the last result."""
    if not routing.runs_here(case):
        return Plan(CAPABILITY, ())
    if observer.is_audited(case.service):
        message = "not verified: no network policy exists (isolation: Audit)"
        return Plan(CAPABILITY, (), Condition(Type.ISOLATION_VERIFIED, State.UNKNOWN, Reason.AUDIT, message))
    last: Verification | None = case.observed.status.get("isolation")
    policy_hash = meta.digest(_policies(case.observed), case.service.annotations.get(meta.VERIFY_ISOLATION, ""))
    job = Ref("Job", names.probe_job(case.name, meta.digest(policy_hash, last["verifiedAt"] if last else "")))
    result = probe_job.result(case, job.name)
    verification = {**result, "policyHash": policy_hash} if result else last
    ended = None if result else jobs.ended_at(case.observed, job.name, probe_job.CONTAINER)
    failure = "" if result else _failure(case, job, failed=ended is not None)
    is_settled = verification and verification["policyHash"] == policy_hash and not verification["differences"]
    refusal = "" if is_settled else _refusal(case.observed, job)
    condition = Condition(Type.ISOLATION_VERIFIED, *_state(case, verification, job, refusal, failure))
    status = {"isolation": verification} if verification else {}
    if job not in case.observed.objects:
        objects = (probe_job.job(case, job.name, CAPABILITY),) if _is_due(case, policy_hash) else ()
        retry_after = _seconds(case.observed, _next(case.observed, last) if last else None)
        return Plan(CAPABILITY, objects, condition, status=status, retry_after=retry_after)
    # A probe is removed once the status has the result, since the next probe has another name. A probe without a result
    # is removed after a while and created anew.
    expires = ended + AFTER_FAILURE if ended else None
    keep = frozenset() if expires and case.observed.now >= expires else frozenset({job})
    return Plan(CAPABILITY, (), condition, keep, status=status, retry_after=_seconds(case.observed, expires))


def _is_due(case: Case, policy_hash: str) -> bool:
    """Return whether a probe is due: policies changed, a request was made, or the period is over."""
    last = case.observed.status.get("isolation")
    if not case.observed.platform.operator_image:
        return False
    # The probe starts only after the endpoint is reported ready, because verification must not delay Ready.
    if not deployments.serving(case) or not _is_endpoint_ready(case.observed):
        return False
    if Ref("NetworkPolicy", case.name) not in case.observed.objects:
        return False  # the policy is about to be created
    if case.observed.breaches or case.observed.unenforced:
        return False  # missing enforcement is already known
    return last is None or last["policyHash"] != policy_hash or case.observed.now >= _next(case.observed, last)


def _is_endpoint_ready(observed: Observed) -> bool:
    """Return whether the last written EndpointReady is True."""
    conditions = observed.status.get("conditions", [])
    return any(c["type"] == Type.ENDPOINT_READY and c["status"] == State.TRUE for c in conditions)


def _next(observed: Observed, last: Verification) -> datetime:
    """Return when the next probe is due after the last result."""
    verified = _time(last["verifiedAt"])
    if not last["differences"]:
        return verified + PERIOD
    conditions = observed.status.get("conditions", [])
    changed = (_time(c["lastTransitionTime"]) for c in conditions if c["type"] == Type.ISOLATION_VERIFIED)
    return verified + min(max(MIN_RETRY, verified - next(changed, verified)), MAX_RETRY)


def _policies(observed: Observed) -> dict[str, str]:
    """Return the digests of the applied network policies by name; foreign edits are reverted and do not count."""
    policies = {ref.name: live for ref, live in observed.objects.items() if ref.kind == "NetworkPolicy"}
    return {name: live["metadata"].get("annotations", {}).get(meta.APPLIED_HASH, "") for name, live in policies.items()}


def _failure(case: Case, job: Ref, *, failed: bool) -> str:
    """Return why the last probe has no result, as reported until a probe has one; empty without a failure."""
    if failed:
        trouble = troubles.of_pods(jobs.pods_of(case.observed, job.name, probe_job.CONTAINER), case.observed)
        return f"{trouble.message if trouble else NO_RESULT}; another probe follows after five minutes"
    return _message_written(case.observed, Reason.PROBE_FAILED)


def _refusal(observed: Observed, job: Ref) -> str:
    """Return why the pod of the probe is refused; empty if it is not.

    Until a pod of the next probe exists, the reported refusal still holds.
    """
    if refusal := troubles.of_creation(observed, job):
        return refusal.message
    awaited = job in observed.objects and not jobs.pods_of(observed, job.name, probe_job.CONTAINER)
    return _message_written(observed, Reason.REFUSED_BY_ADMISSION) if awaited else ""


def _message_written(observed: Observed, reason: Reason) -> str:
    """Return the message of the last written condition IsolationVerified, if it has a reason; else an empty string."""
    conditions = observed.status.get("conditions", [])
    written = (c for c in conditions if (c["type"], c["reason"]) == (Type.ISOLATION_VERIFIED, reason))
    return next((str(c["message"]) for c in written), "")


def _state(
    case: Case, verification: Verification | None, job: Ref, refusal: str, failure: str
) -> tuple[State, Reason, str]:
    """Return status, reason and message of IsolationVerified. An earlier proof does not outlast a probe that failed.

    refusal: why the pod of the probe is refused. failure: why the last probe has no result.
    """
    if case.observed.breaches:
        return (
            State.FALSE,
            Reason.UNEXPECTEDLY_REACHABLE,
            f"{messages.listed(case.observed.breaches, NAMED, '; ')}; {ENFORCE}",
        )
    if case.observed.unenforced:
        return (
            State.FALSE,
            Reason.POLICIES_NOT_ENFORCED,
            f"{messages.listed(case.observed.unenforced, NAMED, '; ')}; {ENFORCE}",
        )
    opened = [d for d in verification["differences"] if d["found"] == "Open"] if verification else []
    if refusal and not opened:
        return State.FALSE, Reason.REFUSED_BY_ADMISSION, refusal
    if verification and verification["differences"]:
        return _differing(verification)
    if failure:
        return State.UNKNOWN, Reason.PROBE_FAILED, failure
    if verification:
        pairs = verification["pairs"]
        message = (
            f"{pairs} of {pairs} pairs as declared, verified {verification['verifiedAt']} by a probe of {case.name}"
        )
        return State.TRUE, Reason.VERIFIED, message
    if job in case.observed.objects:
        return State.UNKNOWN, Reason.PROBING, f"Job {job.name} attempts connections"
    if not case.observed.platform.operator_image:
        message = "not probed: the operator does not know its own image; set FREEHOLD_IMAGE"
        return State.UNKNOWN, Reason.NOT_PROBED_YET, message
    if not case.spec.replicas:
        return State.UNKNOWN, Reason.NOT_PROBED_YET, "scaled to zero: nothing is probed until spec.replicas is raised"
    return State.UNKNOWN, Reason.NOT_PROBED_YET, "the probe starts once the pods serve"


def _differing(verification: Verification) -> tuple[State, Reason, str]:
    """Return status, reason and message for differences.

    An open port needs an action. A closed port may be the provider's fault, so the status is Unknown.
    """
    differences = verification["differences"]
    opened = [d for d in differences if d["found"] == "Open"]
    listed = [f"{d['from']} → {d['to']} is {d['found'].lower()}" for d in opened or differences]
    state = f"{len(listed)} of {verification['pairs']} pairs {'is' if len(listed) == 1 else 'are'} not as declared"
    message = f"{state}, found {verification['verifiedAt']}: {messages.listed(listed, NAMED)}"
    if opened:
        return State.FALSE, Reason.MISMATCH, f"{message}; {ENFORCE}"
    return State.UNKNOWN, Reason.UNREACHABLE, f"{message}; check the provider's conditions and other network policies"


def _seconds(observed: Observed, moment: datetime | None) -> float | None:
    """Return the seconds until a moment; None for a past moment, because an event causes the next reconcile."""
    left = (moment - observed.now).total_seconds() if moment else 0.0
    return left if left > 0 else None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
