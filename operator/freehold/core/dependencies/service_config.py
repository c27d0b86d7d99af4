"""Service config: what a client's gRPC is told about a service it consumes (grpc/grpc doc/service_config.md).

Calls are spread over all servers and take no longer than they may. One that found no server is repeated, but only where
the method's contract says that it may be (google/protobuf/descriptor.proto, MethodOptions.idempotency_level): by
IDEMPOTENT and NO_SIDE_EFFECTS. Where the consumer asks for it, a call of a method with NO_SIDE_EFFECTS that has no
answer in time is made once more instead, and the first answer counts (gRFC A6, hedging). gRPC allows a method one of
the two. In Java and Node it hedges; in Go and in what stands on its C core, Python among it, it knows no hedgingPolicy
and calls such a method once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from freehold.api.v1alpha1.grpc import Consumed, ContractSource
from freehold.core.model.case import Case
from freehold.core.model.quantities import milliseconds
from freehold.core.model.resources import EMPTY, Object, Peer
from freehold.core.peers import consent
from freehold.core.protobuf import compatibility
from freehold.core.protobuf.compatibility import Idempotency

RETRY: Object = {
    "maxAttempts": 4,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.5s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
"""UNAVAILABLE alone: no server was found, or it went. The pauses are short, for a server that goes is soon replaced."""
HEDGES = 2
"""Calls at most, the first included."""
Levels = Mapping[str, Idempotency]


def published(case: Case, consumed: Consumed) -> str | None:
    """What is published for one consumed service, the same text for the same facts; None while its contract is not
    known, or it may not be called."""
    if consent.refusal(case, consumed):
        return None
    provider = case.observed.peers[consent.provider_key(case.service, consumed)]
    levels = _levels(provider)
    if levels is None:
        return None
    promised = case.observed.graph.get(provider.key, EMPTY).budget
    budget = milliseconds(consumed.latency_budget) if consumed.latency_budget else promised
    return text(levels, budget, milliseconds(consumed.hedge_after) if consumed.hedge_after else None)


def text(levels: Levels, budget: int | None, hedge_after: int | None) -> str:
    """As JSON. levels: what each method, as `package.Service/Method`, says of being repeated. budget, hedge_after:
    milliseconds; None: no timeout, no hedging."""
    timeout = {"timeout": _duration(budget)} if budget is not None else {}
    hedged = [m for m, level in levels.items() if hedge_after is not None and level is Idempotency.NO_SIDE_EFFECTS]
    retried = [m for m, level in levels.items() if level is not Idempotency.UNKNOWN and m not in hedged]
    methods = [
        *([{"name": _names(retried), **timeout, "retryPolicy": RETRY}] if retried else []),
        *([{"name": _names(hedged), **timeout, "hedgingPolicy": _hedging(hedge_after or 0)}] if hedged else []),
        *([{"name": [{}], **timeout}] if timeout else []),
    ]
    return json.dumps({"loadBalancingConfig": [{"round_robin": {}}], "methodConfig": methods}, separators=(",", ":"))


def _levels(provider: Peer) -> Levels | None:
    """What the provider's methods say; nothing, where it publishes no contract; None while that is not known."""
    if provider.grpc and provider.grpc.contract is ContractSource.NONE:
        return {}
    try:
        return compatibility.idempotency(compatibility.parse(provider.contract)) if provider.contract else None
    except compatibility.ContractError:
        return None


def _hedging(after: int) -> Object:
    return {"maxAttempts": HEDGES, "hedgingDelay": _duration(after), "nonFatalStatusCodes": ["UNAVAILABLE"]}


def _names(methods: Iterable[str]) -> list[Object]:
    split = (method.partition("/") for method in sorted(methods))
    return [{"service": service, "method": method} for service, _, method in split]


def _duration(value: int) -> str:
    """Milliseconds as protobuf writes a Duration in JSON: in full to the nanosecond, for gRPC in Node takes the digits
    behind the point as so many nanoseconds, however few they are."""
    return f"{value // 1000}.{value % 1000:03}000000s"
