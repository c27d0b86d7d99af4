"""Contracts: what each image of a service offers, read from the image itself and published.

A reader asks it before its first pod starts (contracts/reader_job.py). What it says goes into a ConfigMap for each
image that matters, the one that is wanted and the one that serves, and is compared where one is to take the place of
the other (contracts/rollout_gate.py). What cannot be read is said, hinders nothing, and is asked for again where that
may help.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from freehold.core.contracts import published, reader_job, rollout_gate
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Object, Observed, Plan, Ref
from freehold.core.objects import deployments, meta, names
from freehold.core.protobuf import compatibility
from freehold.core.protobuf.compatibility import Contract

CAPABILITY = "contracts"
SOONEST, LATEST = timedelta(minutes=5), timedelta(hours=1)
"""When a reader that ended without an answer is followed by another: after five minutes, and then ever less often."""


def plan(case: Case) -> Plan:
    """A ConfigMap for each image that was read, and a reader for each that was not."""
    if not reader_job.is_read(case.service):
        return Plan(CAPABILITY, (), keep=_policy_in_use(case))
    objects: list[Object] = []
    keep: set[Ref] = set()
    moments: list[float] = []
    for image in _images(case):
        found = reader_job.outcome(case, image)
        if found.contract:
            objects.append(published.config_map(case.service, image, found.contract.raw, CAPABILITY))
            continue
        again = (_next(case.observed, found.failed) - case.observed.now).total_seconds() if found.failed else None
        if again is not None and again <= 0:
            continue  # its Job is removed, and made anew
        moments += [again] if again else []
        wanted, known = _readers(case, image, needed=not found.fault)
        objects += wanted
        keep |= known
    if keep or any(body["kind"] == "Job" for body in objects):
        objects.append(reader_job.network_policy(case.service, CAPABILITY))
    condition, shown = _condition(case), _to_status(case)
    again = min(moments, default=None)
    return Plan(
        CAPABILITY,
        tuple(objects),
        condition,
        frozenset(keep) | _policy_in_use(case),
        shown=shown,
        again=again,
    )


def _images(case: Case) -> list[str]:
    """The image that is wanted, and the one that serves."""
    return list(dict.fromkeys(filter(None, (case.spec.image, deployments.serving_image(case)))))


def _readers(case: Case, image: str, *, needed: bool) -> tuple[list[Object], set[Ref]]:
    """The Job that is to be made, if one is, and those that are there: the record of what was said."""
    listed = reader_job.jobs(case, image)
    known = {ref for name, _ in listed if (ref := Ref("Job", name)) in case.observed.objects}
    name, parts = listed[-1]
    if not needed or Ref("Job", name) in known or not case.observed.platform.operator_image:
        return [], known
    return [reader_job.job(case, image, name, parts, CAPABILITY)], known


def _policy_in_use(case: Case) -> frozenset[Ref]:
    """The wall around readers, while one of them is there."""
    there = any(pod["metadata"]["labels"].get(meta.COMPONENT) == meta.CONTRACT for pod in case.observed.pods)
    return frozenset({Ref("NetworkPolicy", names.contract_policy(case.name))} if there else ())


def _next(observed: Observed, failed: datetime) -> datetime:
    was = _last_condition(observed)
    turned = datetime.fromisoformat(was["lastTransitionTime"]) if was.get("status") == State.FALSE else failed
    return failed + min(max(SOONEST, failed - turned), LATEST)


def _condition(case: Case) -> Condition:
    return Condition(Type.CONTRACT_PUBLISHED, *_state(case))


def _state(case: Case) -> tuple[State, Reason, str]:
    verdict = rollout_gate.verdict(case)
    if verdict.step is rollout_gate.Step.HELD:
        return State.FALSE, Reason.BREAKS_CONSUMERS, verdict.said
    if verdict.accepted:
        return State.TRUE, Reason.CONTRACT_ACCEPTED, verdict.accepted
    found, image = reader_job.outcome(case, case.spec.image), meta.image_name(case.spec.image)
    if found.fault:
        reason, said = found.fault
        return State.FALSE, reason, f"what {image} offers is not known, and its rollouts go unchecked: {said}"
    if found.contract:
        return State.TRUE, Reason.PUBLISHED, f"{_services(found.contract)}, as read from {image}"
    if not case.observed.platform.operator_image:
        said = "not read: the operator was not told its own image (FREEHOLD_IMAGE)"
        return State.UNKNOWN, Reason.CONTRACT_NOT_READ, said
    was = _last_condition(case.observed)
    if was.get("reason") == Reason.CONTRACT_UNREADABLE and was["observedGeneration"] == case.service.generation:
        return State.FALSE, Reason.CONTRACT_UNREADABLE, was["message"]  # until the next reader knows better
    return State.UNKNOWN, Reason.READING_CONTRACT, f"{image} is asked what it offers"


def _last_condition(observed: Observed) -> dict[str, Any]:
    conditions = observed.status.get("conditions", [])
    return next((c for c in conditions if c["type"] == Type.CONTRACT_PUBLISHED), {})


def _services(contract: Contract) -> str:
    """Each service, and how many methods it has."""
    counts = Counter(method.partition("/")[0] for method in compatibility.methods(contract))
    listed = (f"{name}: {count} method{'s' if count > 1 else ''}" for name, count in sorted(counts.items()))
    return rollout_gate.summarize(listed) or "no method"


def _to_status(case: Case) -> dict[str, Any]:
    """The contract that consumers meet."""
    image = deployments.serving_image(case) or case.spec.image
    contract = published.of(case, image)
    if contract is None:
        return {}
    where = published.name(case.name, image, case.service.annotations)
    return {"contract": {"digest": published.digest(contract), "image": image, "configMap": where}}
