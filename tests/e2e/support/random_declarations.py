"""Declarations of twelve services in three namespaces, and random changes of them: plain data, the same for a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tests.e2e.support.cluster import Object
from tests.e2e.support.microservices import front_end, idle, users

Key = tuple[str, str]
"""A service: namespace and name."""
TIER = "freehold.dev/e2e-tier"
TIERS = ("gold", "silver")
PORTS = (50051, 50052)
CHANGES = 20
KNOWN_SEED = 38
"""A seed with changes of every kind, most of which open or close a connection."""


@dataclass(frozen=True)
class Declarations:
    """namespaces: the labels of each. services: the spec of each Microservice."""

    namespaces: Mapping[str, Mapping[str, str]]
    services: Mapping[Key, Object]


@dataclass(frozen=True)
class Change:
    """A change by one team. says: a description for people. after: all declarations after the change."""

    says: str
    after: Declarations


def beginning(namespaces: Sequence[str]) -> Declarations:
    """Return twelve services in three namespaces that consume and admit each other in all directions, some in vain.

    Names repeat in every namespace, so that a network policy without a namespace selector is found. Four services have
    a database and pods, the first storefront has pods, and the others have no pods.
    """
    north, south, west = namespaces
    labels = {north: {TIER: "gold"}, south: {TIER: "silver"}, west: {}}
    gold = _selector(matchLabels={TIER: "gold"})
    tiered = _selector(matchExpressions=[{"key": TIER, "operator": "In", "values": list(TIERS)}])
    everybody = {"from": "All"}
    bodies: dict[str, list[Object]] = {
        north: [
            users(),
            users("payments", grpc={"port": 50052, "consumers": everybody}, consumes=[_from("users", south)]),
            _audit(None, _from("payments"), _from("users", west)),
            front_end(),
        ],
        south: [
            users(grpc={"consumers": gold}, consumes=[_from("audit", west)]),
            idle("payments", grpc={"port": 50052}, consumes=[_from("users")]),
            _audit(everybody, _from("payments", north)),
            _pages(_from("users"), _from("payments", north)),
        ],
        west: [
            idle("users", grpc={"consumers": everybody}),
            users("payments", grpc={"port": 50052, "consumers": tiered}, consumes=[_from("users", north)]),
            _audit(None, _from("users"), _from("payments", south)),
            _pages(_from("users", south), _from("payments")),
        ],
    }
    services = {(home, body["metadata"]["name"]): body["spec"] for home, made in bodies.items() for body in made}
    return Declarations(labels, services)


def control(said: Declarations) -> tuple[Key, Key]:
    """Return a consumer and its provider that no change touches: their connection must stay open throughout."""
    first = next(iter(said.namespaces))
    return (first, "storefront"), (first, "users")


def changes(seed: int, start: Declarations, count: int) -> list[Change]:
    """Return changes, each based on the one before; equal for equal seeds, whatever the namespaces' names."""
    chance, now, made = random.Random(seed), start, []
    while len(made) < count:
        change = chance.choices(_KINDS, _WEIGHTS)[0](chance, now, start)
        if change and change.after != now:
            made.append(change)
            now = change.after
    return made


def _audit(consumers: Object | None, *consumes: Object) -> Object:
    """A service with gRPC and HTTP, so that a policy that opens one port must not open the other."""
    return idle("audit", grpc={"consumers": consumers} if consumers else {}, http={}, consumes=list(consumes))


def _pages(*consumes: Object) -> Object:
    whole = idle("storefront", http={}, consumes=list(consumes))
    return {**whole, "spec": {key: value for key, value in whole["spec"].items() if key != "grpc"}}


def _from(name: str, namespace: str = "") -> Object:
    """Return an entry of spec.consumes; without a namespace, the provider is in the consumer's namespace."""
    return {"name": name, **({"namespace": namespace} if namespace else {})}


def _selector(**selector: object) -> Object:
    return {"from": "Selector", "selector": selector}


def _consume(chance: random.Random, now: Declarations, _: Declarations) -> Change:
    """Add a provider to spec.consumes, with or without its consent and with or without an endpoint."""
    consumer = chance.choice(_changeable(now))
    provider = chance.choice([key for key in now.services if key != consumer])
    entry = _from(provider[1], provider[0] if provider[0] != consumer[0] else "")
    # The list is keyed by name: a service consumes one provider of a name, in whichever namespace.
    kept = [known for known in now.services[consumer].get("consumes", []) if known["name"] != entry["name"]]
    return _declare(now, consumer, f"consumes {'/'.join(provider)}", consumes=[*kept, entry])


def _forgo(chance: random.Random, now: Declarations, _: Declarations) -> Change | None:
    consuming = [key for key in _changeable(now) if now.services[key].get("consumes")]
    if not consuming:
        return None
    consumer = chance.choice(consuming)
    kept = list(now.services[consumer]["consumes"])
    entry = kept.pop(chance.randrange(len(kept)))
    provider = entry.get("namespace", consumer[0]), entry["name"]
    return _declare(now, consumer, f"does not consume {'/'.join(provider)} any more", consumes=kept or None)


def _admit(chance: random.Random, now: Declarations, _: Declarations) -> Change:
    provider = chance.choice([key for key in _changeable(now) if "grpc" in now.services[key]])
    named = {"kubernetes.io/metadata.name": chance.choice(list(now.namespaces))}
    tier = chance.choice(TIERS)
    compared = chance.choice(("In", "NotIn"))
    looked_at = chance.choice(("Exists", "DoesNotExist"))
    rule = chance.choice(
        [
            {"from": "SameNamespace"},
            {"from": "All"},
            _selector(),
            _selector(matchLabels=named),
            _selector(matchLabels={TIER: tier}),
            _selector(matchExpressions=[{"key": TIER, "operator": compared, "values": [tier]}]),
            _selector(matchExpressions=[{"key": TIER, "operator": looked_at}]),
        ]
    )
    return _declare(now, provider, f"admits {rule}", grpc={**now.services[provider]["grpc"], "consumers": rule})


def _relabel(chance: random.Random, now: Declarations, _: Declarations) -> Change:
    namespace, tier = chance.choice(list(now.namespaces)), chance.choice((*TIERS, ""))
    namespaces = {**now.namespaces, namespace: {TIER: tier} if tier else {}}
    return Change(f"namespace {namespace} is labelled {tier or 'nothing'}", replace(now, namespaces=namespaces))


def _move(chance: random.Random, now: Declarations, _: Declarations) -> Change | None:
    """Change the port of a service without pods, since others would start new pods."""
    movable = [key for key in _alone(now) if "grpc" in now.services[key]]
    if not movable:
        return None
    provider = chance.choice(movable)
    grpc = now.services[provider]["grpc"]
    port = next(other for other in PORTS if other != grpc.get("port", PORTS[0]))
    return _declare(now, provider, f"listens on {port}", grpc={**grpc, "port": port})


def _leave_or_return(chance: random.Random, now: Declarations, start: Declarations) -> Change:
    """Delete a service, or declare the deleted one again as at the beginning; at most one is absent at a time."""
    away = [key for key in start.services if key not in now.services]
    if away:
        after = {**now.services, away[0]: start.services[away[0]]}
        return Change(f"{'/'.join(away[0])} is declared again", replace(now, services=after))
    leaving = chance.choice(_alone(now))
    after = {key: spec for key, spec in now.services.items() if key != leaving}
    return Change(f"{'/'.join(leaving)} is deleted", replace(now, services=after))


def _alone(now: Declarations) -> list[Key]:
    return [key for key in _changeable(now) if now.services[key].get("replicas") == 0]


def _changeable(now: Declarations) -> list[Key]:
    return [key for key in now.services if key not in control(now)]


def _declare(now: Declarations, key: Key, says: str, **fields: object) -> Change:
    """Change fields of a service's spec; None removes a field."""
    whole = {**now.services[key], **fields}
    spec = {field: value for field, value in whole.items() if value is not None}
    return Change(f"{'/'.join(key)} {says}", replace(now, services={**now.services, key: spec}))


_WEIGHTS = (6, 4, 5, 3, 1, 2)
_KINDS: tuple[Callable[[random.Random, Declarations, Declarations], Change | None], ...] = (
    _consume,
    _forgo,
    _admit,
    _relabel,
    _move,
    _leave_or_return,
)
