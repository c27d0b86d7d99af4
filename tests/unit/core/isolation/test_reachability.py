"""What is said of who may reach whom is what the network policies make of it, and the way to open it opens it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pytest
import yaml
from freehold.api.v1alpha1.microservice import MicroserviceSpec
from freehold.core import isolation
from freehold.core.isolation import reachability
from freehold.core.isolation.reachability import Access
from freehold.core.model.case import Case
from freehold.core.model.resources import Key, Object, Service
from freehold.core.objects import meta, names, observer
from freehold.core.peers import aliases, consent, gateways
from freehold.core.peers.gateways import Proxies
from freehold.core.peers.ports import Part, ServicePort, ports_of
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.worlds import DATABASE, observed, service
from tests.unit.netpol import worlds as network
from tests.unit.netpol.oracle import Connection, World, permitted

HOMES = ["shop", "accounts"]
NAMES = ["users", "payments", "users-migrations"]
Labels = Mapping[str, Mapping[str, str]]
selectors = st.fixed_dictionaries(
    {},
    optional={
        "matchLabels": st.dictionaries(st.just("team"), st.sampled_from(["sales", "ads"]), min_size=1),
        "matchExpressions": st.lists(
            st.fixed_dictionaries(
                {"key": st.sampled_from(["team", meta.NAMESPACE_NAME]), "operator": st.sampled_from(["In", "NotIn"])}
                | {"values": st.lists(st.sampled_from(["sales", "ads", *HOMES]), min_size=1)}
            ),
            max_size=1,
        ),
    },
)
consumers = st.sampled_from([{"from": "SameNamespace"}, {"from": "All"}]) | st.fixed_dictionaries(
    {"from": st.just("Selector"), "selector": selectors}
)
GATEWAYS = [{"name": "public"}, {"name": "public", "namespace": "gateways"}]
ENVOY: Object = {"namespace": "envoy", "podLabels": {"app": "envoy", "owner": "public"}}
SHARED: Object = {"namespace": "envoy", "podLabels": {"app": "envoy"}}
OWN: Object = {"namespace": "shop", "podLabels": {"app.kubernetes.io/name": "payments"}}
"""Labels that a service's pods carry as well; those come in by consent alone."""
exposed = st.none() | st.fixed_dictionaries(
    {"gateway": st.sampled_from(GATEWAYS), "hostnames": st.just(["users.example.com"])},
    optional={"proxies": st.sampled_from([ENVOY, SHARED, OWN])},
)
grpcs = st.fixed_dictionaries(
    {"port": st.sampled_from([5432, 50051]), "consumers": consumers}, optional={"expose": exposed}
)
specs = st.fixed_dictionaries(
    {
        "grpc": st.none() | grpcs,
        "http": st.none() | st.fixed_dictionaries({"port": st.sampled_from([8080, 50052])}),
        "database": st.none() | st.sampled_from([DATABASE, {**DATABASE, "migrations": None}]),
        "isolation": st.sampled_from(["Enforced", "Enforced", "Audit"]),
        "consumes": st.lists(
            st.fixed_dictionaries({"name": st.sampled_from(NAMES), "namespace": st.none() | st.sampled_from(HOMES)}),
            max_size=3,
            unique_by=lambda consumed: str(consumed["name"]),
        ),
        "egress": st.lists(
            st.fixed_dictionaries(
                {"cidr": st.sampled_from(["0.0.0.0/0", "10.244.1.0/24", "203.0.113.0/24", "2001:db8::/32"])}
                | {"ports": st.sampled_from([[443], [8080, 50051, 5432]]), "protocol": st.sampled_from(["TCP", "UDP"])}
            ),
            max_size=1,
        ),
    }
)


def moves(key: Key, keys: Sequence[Key]) -> st.SearchStrategy[Object]:
    """Of a name that is there twice, the one in shop may go where the other takes over; each may do so alone."""
    both = all(Key(home, key.name) in keys for home in HOMES)
    side = {"namespace": "accounts"} if key.namespace == "shop" else {"from": "shop"}
    return st.sampled_from([side, side, {}]) if both else st.just({})


@st.composite
def shops(draw: st.DrawFn) -> tuple[dict[Key, Service], Labels]:
    """Services of two namespaces that often name each other, and the labels of both."""
    keys = draw(st.lists(st.builds(Key, st.sampled_from(HOMES), st.sampled_from(NAMES)), min_size=2, unique=True))
    services = {key: service(key.name, key.namespace, **draw(specs), placement=draw(moves(key, keys))) for key in keys}
    teams = {home: draw(st.dictionaries(st.just("team"), st.sampled_from(["sales", "ads"]))) for home in HOMES}
    return services, {home: {meta.NAMESPACE_NAME: home, **team} for home, team in teams.items()}


class Network:
    """The pods of all services, a stranger beside them, and the policies that the operator plans for each service."""

    def __init__(self, services: Mapping[Key, Service], labels: Labels) -> None:
        self.addresses: dict[tuple[Key, str], str] = {}
        self.world = World(nodes=network.NODES)
        named = {home: labels.get(home, {meta.NAMESPACE_NAME: home}) for home in [*HOMES, "gateways", "envoy"]}
        self.world.namespaces = [network.namespace(home, **own) for home, own in named.items()]
        peers = {key: consent.as_peer(one) for key, one in services.items()}
        leading = {
            old.key: one.key for one in services.values() for old in aliases.replaced_services(one, services)[:1]
        }
        for key, one in services.items():
            for component in (meta.SERVICE, meta.DATABASE):
                self._run(key, component, meta.pod_labels(one, component))
            others = {other: peer for other, peer in peers.items() if other != key}
            plan = isolation.plan(Case(one, observed(peers=others, aliases=leading, namespace_labels=labels)))
            self.world.policies.extend(plan.objects)
        self._run(Key("shop", "stranger"), meta.SERVICE, {"app": "stranger"})
        for number, one in enumerate(reachability.proxies(services.values())):
            self._run(proxy(number, one), meta.SERVICE, dict(one.labels))

    def _run(self, key: Key, component: str, labels: dict[str, str]) -> None:
        number = len(self.world.pods)
        address = f"10.244.{number % 2}.{number + 2}"
        self.addresses[key, component] = address
        self.world.pods.append(network.pod(f"{key}-{component}", address, labels))

    def permits(self, source: Key, door: ServicePort) -> bool:
        component = meta.DATABASE if door.part is Part.DATABASE else meta.SERVICE
        here, there = self.addresses[source, meta.SERVICE], self.addresses[door.service, component]
        return permitted(self.world, Connection(here, there, "TCP", door.port))


def proxy(number: int, one: Proxies) -> Key:
    """The pod that stands for these."""
    return Key(one.namespace, f"proxy-{number}")


def place(source: reachability.Source, gates: Sequence[Proxies]) -> Key:
    """Where a source stands."""
    if isinstance(source, Proxies):
        return proxy(gates.index(source), source)
    return source.key if source else Key("shop", "stranger")


@given(shops())
def test_what_is_said_is_what_the_network_policies_make_of_it(shop: tuple[dict[Key, Service], Labels]) -> None:
    services, labels = shop
    judged = Network(services, labels)
    for door in (door for one in services.values() for door in ports_of(one)):
        gates = reachability.proxies(services.values())
        for source in (*services.values(), *gates, None):
            verdict = reachability.verdict(source, door, services, labels)
            if verdict is None:
                continue
            key = place(source, gates)
            permitted = judged.permits(key, door)
            # What a block of addresses means for pods is undefined; the oracle admits those that are in it.
            shut_within = door.part is not Part.PAGE and not observer.is_audited(services[door.service])
            sender = source if isinstance(source, Service) else None
            assert verdict.way is not Access.UNKNOWN or (sender and sender.spec.egress and not shut_within)
            assert verdict.way is Access.UNKNOWN or (verdict.way is Access.OPEN) is permitted, (key, door)
            policies = {(o["metadata"]["name"], o["metadata"]["namespace"]) for o in judged.world.policies}
            named = re.findall(r"NetworkPolicy (\S+) in namespace (\S+) ", " ".join(g.said for g in verdict.grounds))
            sides = [one for one in (sender, services[door.service]) if one and not observer.is_audited(one)]
            assert set(named) <= policies and len(named) == len(sides)


USERS, LEDGER = Key("shop", "users"), Key("accounts", "ledger")
USERS_DATABASE = ServicePort(USERS, Part.DATABASE, 5432)
SHOP = {one.key: one for one in [service(http={"port": 8080}, database=DATABASE), service("payments")]}


def judged(
    source: reachability.Source, door: ServicePort, *others: Service, labels: Labels | None = None
) -> reachability.Verdict:
    services = SHOP | {one.key: one for one in others}
    verdict = reachability.verdict(
        source, door, services, labels if labels is not None else {"shop": {}, "accounts": {}}
    )
    assert verdict is not None
    return verdict


def test_the_doors_of_a_service_have_names_and_addresses() -> None:
    shown = [(door.name, door.full_name, door.address) for door in ports_of(SHOP[USERS])]
    assert shown == [
        ("users:50051", "shop/users:50051", "users.shop.svc:50051"),
        ("users:8080", "shop/users:8080", "users.shop.svc:8080"),
        ("users-database:5432", "shop/users-database:5432", "users-database.shop.svc:5432"),
    ]
    assert USERS_DATABASE.target == names.database("users"), "the policy and the Service of a database share a name"


def test_nobody_asks_of_a_service_and_its_own_endpoint_or_page() -> None:
    own = SHOP[USERS]
    asked = {door.part: reachability.verdict(own, door, SHOP, {}) is not None for door in ports_of(own)}
    assert asked == {Part.ENDPOINT: False, Part.PAGE: False, Part.DATABASE: True}


def test_a_database_has_one_owner_and_no_field_opens_it() -> None:
    assert judged(SHOP[USERS], USERS_DATABASE).way is Access.OPEN
    for source in (SHOP[Key("shop", "payments")], None):
        refused = judged(source, USERS_DATABASE)
        assert refused.way is Access.CLOSED
        assert refused.remedies[0].startswith("No field opens it: a database has one owner.")


def test_a_page_is_open_to_strangers_and_shut_to_services() -> None:
    page = ServicePort(USERS, Part.PAGE, 8080)
    assert judged(None, page).way is Access.OPEN
    grounds = {ground.about: ground.way for ground in judged(SHOP[Key("shop", "payments")], page).grounds}
    assert grounds == {"declared": Access.CLOSED, "page": Access.OPEN, "out": Access.CLOSED, "in": Access.OPEN}


@pytest.mark.parametrize(
    ("says", "egress", "way"),
    [
        ("addresses outside the cluster", {"cidr": "203.0.113.0/24", "ports": [8080]}, Access.CLOSED),
        ("all addresses", {"cidr": "0.0.0.0/0", "ports": [443, 8080]}, Access.UNKNOWN),
        ("all addresses, on another port", {"cidr": "0.0.0.0/0", "ports": [443]}, Access.CLOSED),
        (
            "all addresses, by another protocol",
            {"cidr": "0.0.0.0/0", "ports": [8080], "protocol": "UDP"},
            Access.CLOSED,
        ),
        ("a part of a private network", {"cidr": "10.96.7.1/16", "ports": [8080]}, Access.UNKNOWN),
    ],
)
def test_addresses_that_pods_may_have_may_open_a_page_and_nothing_else(says: str, egress: Object, way: Access) -> None:
    payments = service("payments", egress=[egress])
    assert judged(payments, ServicePort(USERS, Part.PAGE, 8080)).way is way, says
    everything = service("payments", egress=[{**egress, "ports": [5432, 50051]}])
    assert {judged(everything, door).way for door in ports_of(SHOP[USERS]) if door.part is not Part.PAGE} == {
        Access.CLOSED
    }


def test_consent_by_selector_is_unknown_while_the_namespaces_labels_are() -> None:
    consumers = {"from": "Selector", "selector": {"matchLabels": {"team": "sales"}}}
    ledger = service("ledger", "accounts", grpc={"consumers": consumers})
    payments = service("payments", consumes=[{"name": "ledger", "namespace": "accounts"}])
    door = ports_of(ledger)[0]
    assert judged(payments, door, ledger, labels={}).way is Access.UNKNOWN
    assert judged(service("payments"), door, ledger, labels={}).way is Access.CLOSED, "without a declaration it is shut"
    assert judged(payments, door, ledger, labels={"shop": {"team": "sales"}}).way is Access.OPEN


def test_a_service_does_not_pass_for_a_gateways_proxies() -> None:
    expose = {"gateway": {"name": "public"}, "hostnames": ["users.example.com"], "proxies": OWN}
    users, payments = service(grpc={"expose": expose}), service("payments", isolation="Audit")
    network = Network({one.key: one for one in (users, payments)}, {"shop": {meta.NAMESPACE_NAME: "shop"}})
    (door,) = ports_of(users)
    assert network.permits(Key("shop", "proxy-0"), door)
    assert not network.permits(payments.key, door), "no wall holds it back, and its labels are those that are asked for"


def test_a_gateways_proxies_reach_what_is_exposed_through_it_and_pages_alone() -> None:
    public = gateways.usual(Key("gateways", "public"))
    expose: Object = {"gateway": {"name": "public", "namespace": "gateways"}, "hostnames": ["users.example.com"]}
    subject = service(grpc={"expose": expose}, http={"port": 8080}, database=DATABASE)
    ways = {door.part: judged(public, door, subject).way for door in ports_of(subject)}
    assert ways == {Part.ENDPOINT: Access.OPEN, Part.PAGE: Access.OPEN, Part.DATABASE: Access.CLOSED}
    other = gateways.usual(Key("shop", "public"))
    assert judged(other, ports_of(subject)[0], subject).way is Access.CLOSED
    shut = judged(public, ports_of(SHOP[USERS])[0])
    assert shut.way is Access.CLOSED
    assert shut.remedies == (
        "Set spec.grpc.expose of shop/users to {gateway: {name: public, namespace: gateways}, hostnames: [NAME]}.",
    )


def obeyed(remedy: str, spec: MicroserviceSpec) -> MicroserviceSpec:
    """A spec after somebody did what the sentence says."""
    whole = spec.model_dump(by_alias=True)
    if added := re.match(r"Add (\{.*\}) to spec\.consumes of ", remedy):
        whole["consumes"].append(yaml.safe_load(added[1]))
    elif put := re.match(r"Set spec\.grpc\.consumers of \S+ to (\{.*\}), or to \{from: All\}\.", remedy):
        whole["grpc"]["consumers"] = yaml.safe_load(put[1])
    return MicroserviceSpec.model_validate(whole)


@pytest.mark.parametrize("home", HOMES)
def test_what_to_write_opens_it_and_cuts_off_nobody(home: str) -> None:
    ledger, payments = service("ledger", "accounts"), service("payments", home)
    neighbour = service("neighbour", "accounts", consumes=[{"name": "ledger"}])
    door = ports_of(ledger)[0]
    labels: Labels = {each: {meta.NAMESPACE_NAME: each} for each in HOMES}
    remedies = judged(payments, door, ledger, labels=labels).remedies
    assert len(remedies) == (1 if home == "accounts" else 2)
    for remedy in remedies:
        change: Object = {"spec": obeyed(remedy, (ledger if "grpc" in remedy else payments).spec)}
        if "grpc" in remedy:
            ledger = Service(ledger.key, ledger.uid, 2, **change)
        else:
            payments = Service(payments.key, payments.uid, 2, **change)
    assert judged(payments, door, ledger, labels=labels).way is Access.OPEN
    assert judged(neighbour, door, ledger, labels=labels).way is Access.OPEN
