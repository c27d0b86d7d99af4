"""Verification: whether the walls stand, found out by trying.

From where the service stands (its labels, account and node, so that it is behind the very same policies) a probe tries
every door that is declared open to it and a fair sample of all that are not. It runs when the service's walls have
changed, when somebody asks, every hour, and soon again while something differs. What it found is kept in the status,
and the probe is removed. Besides, the operator itself tries the service's doors all the while, as a stranger would.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from freehold.core.handover import routing
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Observed, Plan, Ref
from freehold.core.objects import deployments, jobs, meta, names, observer, pods
from freehold.core.verification import probe_job

CAPABILITY = "verification"
PERIOD = timedelta(hours=1)
SOONEST, LATEST = timedelta(seconds=30), timedelta(minutes=10)
"""While something differs: after 30 seconds, and then ever less often."""
AFTER_FAILURE = timedelta(minutes=5)
NAMED = 3
"""Pairs a message names; the status names them all."""
ENFORCE = "see that the cluster's network plugin enforces NetworkPolicies"
NO_WORD = "the probe ended without a word"
Proof = dict[str, Any]
"""status.isolation: verifiedAt, pairs tried, differences, and a digest of what was proven."""


def plan(case: Case) -> Plan:
    """A probe where one is due, and what was found last."""
    if not routing.runs_here(case):
        return Plan(CAPABILITY, ())
    if observer.is_audited(case.service):
        said = "not tried: no wall stands (isolation: Audit)"
        return Plan(CAPABILITY, (), Condition(Type.ISOLATION_VERIFIED, State.UNKNOWN, Reason.AUDIT, said))
    before: Proof | None = case.observed.status.get("isolation")
    asked = meta.digest(_walls(case.observed), case.service.annotations.get(meta.VERIFY_ISOLATION, ""))
    job = Ref("Job", names.probe_job(case.name, meta.digest(asked, before["verifiedAt"] if before else "")))
    found = probe_job.result(case, job.name)
    proof = {**found, "policyHash": asked} if found else before
    ended = None if found else jobs.ended(case.observed.objects.get(job))
    condition = Condition(Type.ISOLATION_VERIFIED, *_state(case, proof, job, failed=ended is not None))
    shown = {"isolation": proof} if proof else {}
    if job not in case.observed.objects:
        objects = (probe_job.job(case, job.name, CAPABILITY),) if _is_due(case, asked) else ()
        again = _seconds(case.observed, _next(case.observed, before) if before else None)
        return Plan(CAPABILITY, objects, condition, shown=shown, again=again)
    # A probe is removed once what it found is in the status, for the next one has another name; one that found nothing
    # is removed after a while, to be made anew.
    over = ended + AFTER_FAILURE if ended else None
    keep = frozenset() if over and case.observed.now >= over else frozenset({job})
    return Plan(CAPABILITY, (), condition, keep, shown=shown, again=_seconds(case.observed, over))


def _is_due(case: Case, asked: str) -> bool:
    before = case.observed.status.get("isolation")
    if not case.observed.platform.operator_image:
        return False
    # It waits until the service is said to be well: being proven must not delay being Ready.
    if not deployments.serving(case) or not _is_well(case.observed):
        return False
    if Ref("NetworkPolicy", case.name) not in case.observed.objects:
        return False  # it comes back in a moment
    if case.observed.breaches or case.observed.unenforced:
        return False  # that the walls do not stand is known already
    return before is None or before["policyHash"] != asked or case.observed.now >= _next(case.observed, before)


def _is_well(observed: Observed) -> bool:
    conditions = observed.status.get("conditions", [])
    return any(c["type"] == Type.ENDPOINT_READY and c["status"] == State.TRUE for c in conditions)


def _next(observed: Observed, before: Proof) -> datetime:
    proven = _time(before["verifiedAt"])
    if not before["differences"]:
        return proven + PERIOD
    conditions = observed.status.get("conditions", [])
    turned = next((_time(c["lastTransitionTime"]) for c in conditions if c["type"] == Type.ISOLATION_VERIFIED), proven)
    return proven + min(max(SOONEST, proven - turned), LATEST)


def _walls(observed: Observed) -> dict[str, str]:
    """What Freehold wants of each of the service's policies, as digests; what somebody else made of them is undone."""
    policies = {ref.name: live for ref, live in observed.objects.items() if ref.kind == "NetworkPolicy"}
    return {name: live["metadata"].get("annotations", {}).get(meta.APPLIED_HASH, "") for name, live in policies.items()}


def _state(case: Case, proof: Proof | None, job: Ref, *, failed: bool) -> tuple[State, Reason, str]:
    if case.observed.breaches:
        return State.FALSE, Reason.UNEXPECTEDLY_REACHABLE, f"{'; '.join(case.observed.breaches)}; {ENFORCE}"
    if case.observed.unenforced:
        return State.FALSE, Reason.POLICIES_NOT_ENFORCED, f"{'; '.join(case.observed.unenforced)}; {ENFORCE}"
    if proof and proof["differences"]:
        return _wrong(proof)
    if proof:
        said = f"{proof['pairs']} of {proof['pairs']} pairs as declared, proven {proof['verifiedAt']}"
        return State.TRUE, Reason.VERIFIED, f"{said} by connection attempts from where {case.name} stands"
    if failed:
        trouble = pods.trouble(pods.of_job(case.observed, job.name), case.observed)
        return State.UNKNOWN, Reason.PROBE_FAILED, f"{trouble.message if trouble else NO_WORD}; tried again in minutes"
    if job in case.observed.objects:
        return State.UNKNOWN, Reason.PROBING, f"{job.name} tries whom {case.name} reaches"
    if not case.observed.platform.operator_image:
        return (
            State.UNKNOWN,
            Reason.NOT_PROBED_YET,
            "not probed: the operator was not told its own image (FREEHOLD_IMAGE)",
        )
    return State.UNKNOWN, Reason.NOT_PROBED_YET, "probed as soon as its pods serve"


def _wrong(proof: Proof) -> tuple[State, Reason, str]:
    """A door that opens needs somebody. One that stays shut may be its owner's trouble, not this service's."""
    opened = [d for d in proof["differences"] if d["found"] == "Open"]
    listed = [f"{d['from']} → {d['to']} is {d['found'].lower()}" for d in opened or proof["differences"]]
    more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
    said = f"{len(listed)} of {proof['pairs']} pairs {'is' if len(listed) == 1 else 'are'} not as declared"
    named = f"{said}, found {proof['verifiedAt']}: {', '.join(listed[:NAMED])}{more}"
    if opened:
        return State.FALSE, Reason.MISMATCH, f"{named}; {ENFORCE}"
    return State.UNKNOWN, Reason.UNREACHABLE, f"{named}; is the provider well, or does another policy shut it?"


def _seconds(observed: Observed, moment: datetime | None) -> float | None:
    """Until then; None when it is past, for then it is something else that is waited for, and whose coming is seen."""
    left = (moment - observed.now).total_seconds() if moment else 0.0
    return left if left > 0 else None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
