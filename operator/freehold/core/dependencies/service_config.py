"""The gRPC service config for each consumed service (grpc/grpc doc/service_config.md).

Calls are balanced over all servers, with the latency budget as the timeout. A call without a server is retried if the
method is declared IDEMPOTENT or NO_SIDE_EFFECTS (google/protobuf/descriptor.proto, MethodOptions.idempotency_level).
With `hedgeAfter`, a method with NO_SIDE_EFFECTS is hedged instead: without an answer in time a second call is made, and
the first answer counts (gRFC A6). gRPC allows only one of the two policies for a method. Java and Node support hedging;
Go and libraries on the C core, such as Python, ignore the policy and call a hedged method once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from freehold.api.v1alpha1.grpc import Consumed, ContractSource
from freehold.core.model.case import Case
from freehold.core.model.quantities import milliseconds
from freehold.core.model.resources import EMPTY, Object, Peer
from freehold.core.peers import consent
from freehold.core.protobuf.checks import Check, Idempotency, Kind

RETRY: Object = {
    "maxAttempts": 4,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.5s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
"""Only UNAVAILABLE (no server) is retried. Pauses are short, since a lost server is replaced soon."""
HEDGES = 2
"""The most calls under hedging, the first call included."""
Levels = Mapping[str, Idempotency]


def published(case: Case, consumed: Consumed) -> str | None:
    """Return the service config for a consumed service; None while the contract is unknown or consent is missing."""
    if consent.refusal(case, consumed):
        return None
    provider = case.observed.peers[consent.provider_key(case.service, consumed)]
    levels = _levels(case, provider)
    if levels is None:
        return None
    default = case.observed.graph.get(provider.key, EMPTY).budget
    budget = milliseconds(consumed.latency_budget) if consumed.latency_budget else default
    return text(levels, budget, milliseconds(consumed.hedge_after) if consumed.hedge_after else None)


def text(levels: Levels, budget: int | None, hedge_after: int | None) -> str:
    """Return the service config as JSON, deterministic for equal arguments.

    levels: by `package.Service/Method`. budget, hedge_after: milliseconds; None: no timeout, no hedging.
    """
    timeout = {"timeout": _duration(budget)} if budget is not None else {}
    hedged = [m for m, level in levels.items() if hedge_after is not None and level is Idempotency.NO_SIDE_EFFECTS]
    retried = [m for m, level in levels.items() if level is not Idempotency.UNKNOWN and m not in hedged]
    methods = [
        *([{"name": _names(retried), **timeout, "retryPolicy": RETRY}] if retried else []),
        *([{"name": _names(hedged), **timeout, "hedgingPolicy": _hedging(hedge_after or 0)}] if hedged else []),
        *([{"name": [{}], **timeout}] if timeout else []),
    ]
    return json.dumps({"loadBalancingConfig": [{"round_robin": {}}], "methodConfig": methods}, separators=(",", ":"))


def _levels(case: Case, provider: Peer) -> Levels | None:
    """The idempotency levels of a provider; empty without a contract; None while the contract is unknown."""
    if provider.grpc and provider.grpc.contract is ContractSource.NONE:
        return {}
    result = case.observed.checked(Check(Kind.METHODS, provider.contract)) if provider.contract else None
    return {m.name: m.idempotency for m in result.methods} if result and not result.fault else None


def _hedging(after: int) -> Object:
    return {"maxAttempts": HEDGES, "hedgingDelay": _duration(after), "nonFatalStatusCodes": ["UNAVAILABLE"]}


def _names(methods: Iterable[str]) -> list[Object]:
    split = (method.partition("/") for method in sorted(methods))
    return [{"service": service, "method": method} for service, _, method in split]


def _duration(value: int) -> str:
    """Format milliseconds as a protobuf Duration in JSON.

    All nine decimals are written, because gRPC in Node reads the decimals as a number of nanoseconds.
    """
    return f"{value // 1000}.{value % 1000:03}000000s"
