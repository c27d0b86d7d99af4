"""What the teams of three namespaces declare, and how they change their minds: plain data, the same for each seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tests.e2e.support.cluster import Object
from tests.e2e.support.microservices import front_end, idle, users

Key = tuple[str, str]
"""A service: its namespace and its name."""
TIER = "freehold.dev/e2e-tier"
TIERS = ("gold", "silver")
PORTS = (50051, 50052)
CHANGES = 20
KNOWN_SEED = 38
"""Its changes are of every kind, and most of them open or shut something."""


@dataclass(frozen=True)
class Declarations:
    """namespaces: the labels of each. services: the spec of each Microservice."""

    namespaces: Mapping[str, Mapping[str, str]]
    services: Mapping[Key, Object]


@dataclass(frozen=True)
class Change:
    """Something that one team does. says: what, for people. after: what is declared then."""

    says: str
    after: Declarations


def beginning(namespaces: Sequence[str]) -> Declarations:
    """Twelve services in three namespaces that consume and admit each other in all directions, some in vain.

    Names come again in every namespace, so that a wall which forgets the namespace is found. Four services have a
    database and pods, the first storefront has pods, and the others are declared alone.
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
    """A consumer and its provider that no change touches: what connects them has to stay open all the while."""
    first = next(iter(said.namespaces))
    return (first, "storefront"), (first, "users")


def changes(seed: int, start: Declarations, count: int) -> list[Change]:
    """So many changes, one upon the other; the same for the same seed, whatever the namespaces are called."""
    chance, now, made = random.Random(seed), start, []
    while len(made) < count:
        change = chance.choices(_KINDS, _WEIGHTS)[0](chance, now, start)
        if change and change.after != now:
            made.append(change)
            now = change.after
    return made


def _audit(consumers: Object | None, *consumes: Object) -> Object:
    """Both gRPC and pages, so that one port's openness must not become the other's."""
    return idle("audit", grpc={"consumers": consumers} if consumers else {}, http={}, consumes=list(consumes))


def _pages(*consumes: Object) -> Object:
    whole = idle("storefront", http={}, consumes=list(consumes))
    return {**whole, "spec": {key: value for key, value in whole["spec"].items() if key != "grpc"}}


def _from(name: str, namespace: str = "") -> Object:
    """An entry of `consumes`; without a namespace, of the consumer's own."""
    return {"name": name, **({"namespace": namespace} if namespace else {})}


def _selector(**selector: object) -> Object:
    return {"from": "Selector", "selector": selector}


def _consume(chance: random.Random, now: Declarations, _: Declarations) -> Change:
    """Whether the provider consents, or has an endpoint at all, is not asked."""
    consumer = chance.choice(_changeable(now))
    provider = chance.choice([key for key in now.services if key != consumer])
    entry = _from(provider[1], provider[0] if provider[0] != consumer[0] else "")
    # The list is keyed by name: a service consumes one provider of a name, wherever that is.
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
    """Of the services that are declared alone, for others would start new pods."""
    movable = [key for key in _alone(now) if "grpc" in now.services[key]]
    if not movable:
        return None
    provider = chance.choice(movable)
    grpc = now.services[provider]["grpc"]
    port = next(other for other in PORTS if other != grpc.get("port", PORTS[0]))
    return _declare(now, provider, f"listens on {port}", grpc={**grpc, "port": port})


def _leave_or_return(chance: random.Random, now: Declarations, start: Declarations) -> Change:
    """One service at a time is away, and comes back as it was first declared."""
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
    """A service's spec with other fields; None takes one out."""
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
