"""The rollout gate: whether a new image may replace the serving image without breaking consumers.

A new image waits until both contracts are known, and is held back while the new contract would break an admitted
consumer. An image that answers that its contract cannot be read is let through; the failure of a reader or of a check
is no such answer. The first image of a service, and each image of a service without consumers, passes at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from freehold.core.contracts import published, reader_job
from freehold.core.model import messages
from freehold.core.model.case import Case, fact
from freehold.core.model.conditions import Reason, Type
from freehold.core.model.resources import Key, Observed, Service
from freehold.core.objects import deployments, meta
from freehold.core.peers import aliases, consent
from freehold.core.protobuf.checks import Break, Check, Kind

NAMED = 3
"""Items of each list in a message."""
MAX_BROKEN = 10_000
"""The most pairs of a consumer and a break that are looked at."""


class Step(StrEnum):
    """The decision on a new image."""

    GO = "Go"
    WAIT = "Wait"
    HELD = "Held"


class Verdict(NamedTuple):
    """A decision. message: the cause of a wait or hold. accepted: the message on a break that the owner accepts.

    check: the comparison of both contracts, while the comparison has no result. fault: why nobody knows whether the new
    contract breaks consumers, for an image that waits therefore, or is let through.
    """

    step: Step
    message: str = ""
    accepted: str = ""
    check: Check | None = None
    fault: str = ""


@fact
def verdict(case: Case) -> Verdict:
    """Decide whether pods and migrations of spec.image may start."""
    serving, wanted = deployments.serving_image(case), case.spec.image
    callers = consent.consumers(case)
    if not is_checked(case) or serving in (None, wanted) or not callers:
        return Verdict(Step.GO)
    assert serving
    before, after = (reader_job.outcome(case, image) for image in (serving, wanted))
    if before.fault or (after.fault and not after.undecided):
        return Verdict(Step.GO)
    if after.fault:
        return _unjudged(case, serving, after.fault[1])
    if before.contract is None or after.contract is None:
        old, new = meta.image_name(serving), meta.image_name(wanted)
        return Verdict(Step.WAIT, f"{old} goes on serving until the contract of {new} is read")
    check = Check(Kind.BREAKS, before.contract.raw, after.contract.raw)
    compared = case.observed.checked(check)
    if compared is None:
        old, new = meta.image_name(serving), meta.image_name(wanted)
        return Verdict(Step.WAIT, f"{old} goes on serving until the contract of {new} is compared", check=check)
    if compared.fault:
        return _unjudged(case, serving, f"the contracts cannot be compared: {compared.fault}")
    broken = _broken(case, callers, before.contract.names(), compared.breaks)
    if not broken:
        return Verdict(Step.GO)
    if case.service.annotations.get(meta.ACCEPT_CONTRACT) not in (wanted, published.digest(after.contract.raw)):
        return Verdict(Step.HELD, _describe_held(case.service, serving, broken))
    described = _describe_breaks(case.service, broken)
    message = f"{meta.image_name(wanted)} is let through by {meta.ACCEPT_CONTRACT}, although {described}"
    # Condition and Event come before the rollout: afterwards the old contract is gone, and nothing can be compared.
    return Verdict(Step.GO if _is_announced(case.observed, message) else Step.WAIT, message, accepted=message)


def _unjudged(case: Case, serving: str, cause: str) -> Verdict:
    """Return the decision on an image that nobody could judge, since a reader or a check failed."""
    wanted = case.spec.image
    if case.service.annotations.get(meta.ACCEPT_CONTRACT) == wanted:
        return Verdict(Step.GO, fault=cause)
    old, new = meta.image_name(serving), meta.image_name(wanted)
    state = f"{new} waits, as nobody knows whether its contract breaks consumers: {cause}; {old} goes on serving"
    action = f"this is tried again; {meta.ACCEPT_CONTRACT}={wanted} lets the image through unread"
    return Verdict(Step.WAIT, f"{state}; {action}", fault=cause)


def is_checked(case: Case) -> bool:
    """Return whether contracts are read: the service answers reflection, and the operator image is known."""
    return reader_job.is_read(case.service) and bool(case.observed.platform.operator_image)


def as_serving(case: Case) -> Case:
    """The case with the serving image instead of the declared image, and without migrations."""
    spec = case.spec
    database = spec.database and spec.database.model_copy(update={"migrations": None})
    image = deployments.serving_image(case) or spec.image
    serving = replace(case.service, spec=spec.model_copy(update={"image": image, "database": database}))
    return Case(serving, case.observed)


def called_methods(declared: Iterable[str], offered: Iterable[str]) -> tuple[str, ...] | None:
    """Return the offered methods that a declaration selects; None without a declaration, which selects all methods."""
    selected = set(declared)
    if not selected:
        return None
    return tuple(m for m in offered if m in selected or f"{m.partition('/')[0]}/*" in selected)


def _broken(
    case: Case, callers: Iterable[Key], offered: tuple[str, ...], breaks: tuple[Break, ...]
) -> list[tuple[Key, Break]]:
    """Return pairs of a broken consumer and a breaking change. offered: the methods of the old contract."""
    by_method: defaultdict[str, list[Break]] = defaultdict(list)
    for each in breaks:
        by_method[each.method].append(each)
    declared = ((key, called_methods(_calls(case, key), offered)) for key in callers)
    called = ((key, by_method if calls is None else calls) for key, calls in declared)
    # Bounded, because consumers times breaks may be millions; a message names three of them.
    pairs = ((key, each) for key, calls in called for method in calls for each in by_method.get(method, ()))
    return [*islice(pairs, MAX_BROKEN)]


def _calls(case: Case, caller: Key) -> tuple[str, ...]:
    """Return the methods that a consumer declares, under any name of the service; empty for all methods."""
    peer, known_as = case.observed.peers[caller], aliases.all_names(case.observed.aliases, case.key)
    listed = [peer.calls[key] for key in known_as if key in peer.calls]
    return tuple(method for methods in listed for method in methods) if all(listed) else ()


def _describe_held(service: Service, serving: str, broken: list[tuple[Key, Break]]) -> str:
    consumers = messages.listed(sorted({_name(service, key) for key, _ in broken}), NAMED)
    old, new = meta.image_name(serving), meta.image_name(service.spec.image)
    return (
        f"{new} is held back: {_describe_breaks(service, broken)}; {old} goes on serving. "
        f"Keep the called methods compatible, or let {consumers} declare in spec.consumes[].methods only methods that "
        f"are still called"
    )


def _describe_breaks(service: Service, broken: list[tuple[Key, Break]]) -> str:
    """Describe each change once, with the consumers that call the broken methods."""
    changes: defaultdict[tuple[str, str], list[tuple[Key, str]]] = defaultdict(list)
    for key, change in broken:
        changes[change.message, change.rule].append((key, change.method))
    parts = []
    for (message, rule), calls in list(changes.items())[:NAMED]:
        consumers = sorted({_name(service, key) for key, _ in calls})
        called = list(dict.fromkeys(method for _, method in calls))
        verb = "calls" if len(consumers) == 1 else "call"
        named = messages.listed(consumers, NAMED)
        parts.append(f"{named} {verb} {called[0]}{_more(len(called) - 1)}, and {message} ({rule})")
    more = len(changes) - NAMED
    return "; ".join(parts) + (f"; and {more} more change{'s' if more > 1 else ''}" if more > 0 else "")


def _more(count: int) -> str:
    return f" and {count} more method{'s' if count > 1 else ''}" if count > 0 else ""


def _name(service: Service, key: Key) -> str:
    return key.name if key.namespace == service.namespace else str(key)


def _is_announced(observed: Observed, message: str) -> bool:
    """Return whether the status holds this acceptance already."""
    conditions = observed.status.get("conditions", [])
    own = (c for c in conditions if c["type"] == Type.CONTRACT_PUBLISHED)
    return any(c["reason"] == Reason.CONTRACT_ACCEPTED and c["message"] == messages.bounded(message) for c in own)
