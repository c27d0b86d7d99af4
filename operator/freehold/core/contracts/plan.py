"""The contracts of the declared and of the serving image: read, published, and compared before a rollout.

A Job reads the contract of an image before the first pod starts (reader_job.py). A ConfigMap for each image publishes
the contract (published.py), and a new image is compared with the serving image (rollout_gate.py). An image that answers
no reflection is reported and not held back; reading is repeated if the fault may be temporary.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from freehold.core.contracts import published, reader_job, rollout_gate
from freehold.core.model import messages
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Object, Observed, Plan, Ref
from freehold.core.objects import deployments, meta, names
from freehold.core.protobuf.checks import Check

CAPABILITY = "contracts"
SOONEST, LATEST = timedelta(minutes=5), timedelta(hours=1)
"""Bounds of the pause before an image is read again; the pause grows with the age of the fault."""
REPEATED = {Reason.CONTRACT_UNREADABLE, Reason.REFUSED_BY_ADMISSION}
"""Faults after which the image is read again."""


def plan(case: Case) -> Plan:
    """Return a ConfigMap for each image with a known contract, and a reader Job for each other image."""
    if not reader_job.is_read(case.service):
        return Plan(CAPABILITY, (), keep=_policy_in_use(case))
    objects: list[Object] = []
    keep: set[Ref] = set()
    pauses: list[float] = []
    verdict = rollout_gate.verdict(case)
    checks = [verdict.check] if verdict.check else list[Check]()
    for image in _images(case):
        outcome = reader_job.outcome(case, image)
        if outcome.contract:
            objects.append(published.config_map(case.service, image, outcome.contract.raw, CAPABILITY))
            continue
        if outcome.check:
            checks.append(outcome.check)
            keep |= _as_read(case, image)
            continue
        pause = _seconds_to_retry(case.observed, outcome.failed_at) if outcome.failed_at else None
        if pause is not None and pause <= 0:
            continue  # The old Job is removed now, and the next reconcile makes a new one.
        pauses += [pause] if pause else []
        wanted, existing = _readers(case, image, needed=not outcome.fault)
        objects += wanted
        keep |= existing
    if keep or any(body["kind"] == "Job" for body in objects):
        objects.append(reader_job.network_policy(case.service, CAPABILITY))
    condition, shown = _condition(case), _to_status(case)
    again = min(pauses, default=None)
    return Plan(
        CAPABILITY,
        tuple(objects),
        condition,
        frozenset(keep) | _policy_in_use(case),
        status=shown,
        retry_after=again,
        checks=tuple(checks),
    )


def _images(case: Case) -> list[str]:
    """The declared image and the serving image."""
    return list(dict.fromkeys(filter(None, (case.spec.image, deployments.serving_image(case)))))


def _readers(case: Case, image: str, *, needed: bool) -> tuple[list[Object], set[Ref]]:
    """Return the reader Job to create, if any, and the existing Jobs, whose pods hold the answer."""
    readings = reader_job.readings(case, image)
    existing = {ref for reading in readings if (ref := Ref("Job", reading.name)) in case.observed.objects}
    if not needed or Ref("Job", readings[-1].name) in existing or not case.observed.platform.operator_image:
        return [], existing
    return [reader_job.job(case, image, readings[-1], CAPABILITY)], existing


def _as_read(case: Case, image: str) -> set[Ref]:
    """The objects that hold a contract until the check has a result: the ConfigMap, or the Jobs."""
    config_map = Ref("ConfigMap", published.name(case.name, image, case.service.annotations))
    refs = {config_map, *(Ref("Job", reading.name) for reading in reader_job.readings(case, image))}
    return refs & case.observed.objects.keys()


def _policy_in_use(case: Case) -> frozenset[Ref]:
    """The network policy of the readers, while a reader pod exists."""
    exists = any(pod["metadata"]["labels"].get(meta.COMPONENT) == meta.CONTRACT for pod in case.observed.pods)
    return frozenset({Ref("NetworkPolicy", names.contract_policy(case.name))} if exists else ())


def _seconds_to_retry(observed: Observed, failed_at: datetime) -> float:
    """Return the seconds until an image is read again: as long again as the fault has lasted, within bounds."""
    last = _last_condition(observed)
    since = datetime.fromisoformat(last["lastTransitionTime"]) if last.get("status") == State.FALSE else failed_at
    retry_at = failed_at + min(max(SOONEST, failed_at - since), LATEST)
    return (retry_at - observed.now).total_seconds()


def _condition(case: Case) -> Condition:
    return Condition(Type.CONTRACT_PUBLISHED, *_state(case))


def _state(case: Case) -> tuple[State, Reason, str]:
    verdict = rollout_gate.verdict(case)
    if verdict.step is rollout_gate.Step.HELD:
        return State.FALSE, Reason.BREAKS_CONSUMERS, verdict.message
    if verdict.accepted:
        return State.TRUE, Reason.CONTRACT_ACCEPTED, verdict.accepted
    outcome, image = reader_job.outcome(case, case.spec.image), meta.image_name(case.spec.image)
    if verdict.fault:
        reason = outcome.fault[0] if outcome.fault else Reason.CONTRACT_INVALID
        through = f"{image} is let through by {meta.ACCEPT_CONTRACT}, and nobody knows whether it breaks consumers"
        return State.FALSE, reason, verdict.message or f"{through}: {verdict.fault}"
    if outcome.fault:
        reason, cause = outcome.fault
        return State.FALSE, reason, f"the contract of {image} is unknown, and rollouts are not checked: {cause}"
    if outcome.contract:
        return State.TRUE, Reason.PUBLISHED, f"{_services(outcome.contract)}, read from {image}"
    if refused := reader_job.refusal(case, case.spec.image):
        message = f"the contract of {image} is not read, and rollouts are not checked: {refused}"
        return State.FALSE, Reason.REFUSED_BY_ADMISSION, message
    if not case.observed.platform.operator_image:
        message = "the contract is not read: the operator does not know its own image; set FREEHOLD_IMAGE"
        return State.UNKNOWN, Reason.CONTRACT_NOT_READ, message
    last = _last_condition(case.observed)
    if last.get("reason") in REPEATED and last["observedGeneration"] == case.service.generation:
        # The last fault is reported until the next reader has answered.
        return State.FALSE, Reason(last["reason"]), last["message"]
    return State.UNKNOWN, Reason.READING_CONTRACT, f"the contract of {image} is being read"


def _last_condition(observed: Observed) -> dict[str, Any]:
    conditions = observed.status.get("conditions", [])
    return next((c for c in conditions if c["type"] == Type.CONTRACT_PUBLISHED), {})


def _services(contract: reader_job.Contract) -> str:
    """The gRPC services of a contract with their numbers of methods."""
    counts = Counter(name.partition("/")[0] for name in contract.names())
    listed = (f"{name}: {count} method{'s' if count > 1 else ''}" for name, count in sorted(counts.items()))
    return messages.listed(listed, rollout_gate.NAMED) or "no method"


def _to_status(case: Case) -> dict[str, Any]:
    """The contract of the serving image, as a part of the status."""
    image = deployments.serving_image(case) or case.spec.image
    contract = published.of(case, image)
    if contract is None:
        return {}
    config_map = published.name(case.name, image, case.service.annotations)
    return {"contract": {"digest": published.digest(contract), "image": image, "configMap": config_map}}
