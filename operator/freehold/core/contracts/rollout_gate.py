"""Rollouts: whether a new image may take the place of the one that serves, for its consumers' sake.

It waits until both have been asked what they offer, and is held back while it would break a consumer that declares to
call the service and is admitted. What cannot be told holds nobody. The first image of a service, and every image of one
that nobody consumes, goes ahead at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

from freehold.core.contracts import published, reader_job
from freehold.core.model.case import Case, fact
from freehold.core.model.conditions import Reason, Type
from freehold.core.model.resources import Key, Observed, Service
from freehold.core.objects import deployments, meta
from freehold.core.peers import aliases, consent
from freehold.core.protobuf.compatibility import Break, Contract, breaks, methods

NAMED = 3
"""Of anything that a message lists."""


class Step(StrEnum):
    """Where a new image stands."""

    GO = "Go"
    WAIT = "Wait"
    HELD = "Held"


class Verdict(NamedTuple):
    """A step, why it is held, and, where its owner accepts that, what is to be said before it goes ahead."""

    step: Step
    said: str = ""
    accepted: str = ""


@fact
def verdict(case: Case) -> Verdict:
    """Whether the pods, and the migrations, of spec.image may start."""
    serving, wanted = deployments.serving_image(case), case.spec.image
    callers = consent.consumers(case)
    if not is_checked(case) or serving in (None, wanted) or not callers:
        return Verdict(Step.GO)
    assert serving
    before, after = (reader_job.outcome(case, image) for image in (serving, wanted))
    if before.fault or after.fault:
        return Verdict(Step.GO)
    if before.contract is None or after.contract is None:
        old, new = meta.image_name(serving), meta.image_name(wanted)
        return Verdict(Step.WAIT, f"{old} goes on serving until it is known whether {new} breaks its consumers")
    broken = _broken(case, callers, before.contract, after.contract)
    if not broken:
        return Verdict(Step.GO)
    if case.service.annotations.get(meta.ACCEPT_CONTRACT) not in (wanted, published.digest(after.contract.raw)):
        return Verdict(Step.HELD, _describe_held(case.service, serving, broken))
    said = f"{meta.image_name(wanted)} is let through by {meta.ACCEPT_CONTRACT}, although {_describe_breaks(case.service, broken)}"
    # It is said, and an Event tells, before it is done: afterwards there is nothing left to compare with.
    return Verdict(Step.GO if _is_announced(case.observed, said) else Step.WAIT, said, accepted=said)


def is_checked(case: Case) -> bool:
    """Whether images are asked what they offer."""
    return reader_job.is_read(case.service) and bool(case.observed.platform.operator_image)


def as_serving(case: Case) -> Case:
    """The case as if the new image had not been asked for: the one that serves, whose schema is in."""
    spec = case.spec
    database = spec.database and spec.database.model_copy(update={"migrations": None})
    image = deployments.serving_image(case) or spec.image
    serving = replace(case.service, spec=spec.model_copy(update={"image": image, "database": database}))
    return Case(serving, case.observed)


def called_methods(declared: Iterable[str], offered: Contract) -> tuple[str, ...] | None:
    """The methods that are meant, of those that are offered; None: nothing is declared, so all of them are."""
    listed = list(declared)
    if not listed:
        return None
    return tuple(method for method in methods(offered) if method in listed or f"{method.partition('/')[0]}/*" in listed)


def summarize(listed: Iterable[str], of: str = "") -> str:
    """The first few of them in words, and how many more."""
    known = list(listed)
    more = f" and {len(known) - NAMED} more{of}" if len(known) > NAMED else ""
    return ", ".join(known[:NAMED]) + more


def _broken(case: Case, callers: Iterable[Key], before: Contract, after: Contract) -> list[tuple[Key, Break]]:
    """Who trips over what."""
    declared = {key: called_methods(_calls(case, key), before) for key in callers}
    found = {calls: breaks(before, after, calls) for calls in set(declared.values())}
    return [(key, one) for key, calls in declared.items() for one in found[calls]]


def _calls(case: Case, caller: Key) -> tuple[str, ...]:
    """The methods that a consumer declares, by whatever name it knows the service; none where it declares none."""
    peer, named = case.observed.peers[caller], aliases.all_names(case.observed.aliases, case.key)
    listed = [peer.calls[one] for one in named if one in peer.calls]
    return tuple(method for methods in listed for method in methods) if all(listed) else ()


def _describe_held(service: Service, serving: str, broken: list[tuple[Key, Break]]) -> str:
    who = summarize(sorted({_name(service, key) for key, _ in broken}))
    old, new = meta.image_name(serving), meta.image_name(service.spec.image)
    return (
        f"{new} is held back: {_describe_breaks(service, broken)}; {old} goes on serving. "
        f"Keep what is called as it was, or have {who} name in spec.consumes[].methods only what is still called"
    )


def _describe_breaks(service: Service, broken: list[tuple[Key, Break]]) -> str:
    """Each change once, with those who call what it breaks."""
    changes: defaultdict[tuple[str, str], list[tuple[Key, str]]] = defaultdict(list)
    for key, one in broken:
        changes[one.message, one.rule].append((key, one.method))
    told = []
    for (message, rule), calls in list(changes.items())[:NAMED]:
        who = sorted({_name(service, key) for key, _ in calls})
        what = list(dict.fromkeys(method for _, method in calls))
        verb = "calls" if len(who) == 1 else "call"
        told.append(f"{summarize(who)} {verb} {what[0]}{_more(len(what) - 1)}, and {message} ({rule})")
    more = len(changes) - NAMED
    return "; ".join(told) + (f"; and {more} more change{'s' if more > 1 else ''}" if more > 0 else "")


def _more(count: int) -> str:
    return f" and {count} more method{'s' if count > 1 else ''}" if count > 0 else ""


def _name(service: Service, key: Key) -> str:
    return key.name if key.namespace == service.namespace else str(key)


def _is_announced(observed: Observed, said: str) -> bool:
    conditions = observed.status.get("conditions", [])
    own = (c for c in conditions if c["type"] == Type.CONTRACT_PUBLISHED)
    return any(c["reason"] == Reason.CONTRACT_ACCEPTED and c["message"] == said for c in own)
