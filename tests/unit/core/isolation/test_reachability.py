"""Reachability agrees with the network policies, and fixes open what they name."""

from __future__ import annotations

import re

import pytest
import yaml
from freehold.api.v1alpha1.microservice import MicroserviceSpec
from freehold.core.isolation import reachability
from freehold.core.isolation.reachability import Access
from freehold.core.model.resources import Key, Object, Service
from freehold.core.objects import meta, names, observer
from freehold.core.peers import gateways
from freehold.core.peers.ports import Part, ServicePort, ports_of
from hypothesis import given

from tests.unit.core.isolation.networks import HOMES, OWN, Labels, Network, pod_of, shops
from tests.unit.core.worlds import DATABASE, service


@given(shops())
def test_reachability_agrees_with_network_policies(shop: tuple[dict[Key, Service], Labels]) -> None:
    """Each verdict agrees with an evaluation of the planned network policies, and names these policies."""
    services, labels = shop
    network_of_shop = Network(services, labels)
    for port in (port for one in services.values() for port in ports_of(one)):
        all_proxies = reachability.proxies(services.values())
        for source in (*services.values(), *all_proxies, None):
            verdict = reachability.verdict(source, port, services, labels)
            if verdict is None:
                continue
            key = pod_of(source, all_proxies)
            permitted = network_of_shop.permits(key, port)
            # The meaning of an address block for pods is undefined; the oracle admits pods within the block.
            closed_by_ingress = port.part is not Part.HTTP and not observer.is_audited(services[port.service])
            sender = source if isinstance(source, Service) else None
            assert verdict.access is not Access.UNKNOWN or (sender and sender.spec.egress and not closed_by_ingress)
            assert verdict.access is Access.UNKNOWN or (verdict.access is Access.OPEN) is permitted, (key, port)
            policies = {(o["metadata"]["name"], o["metadata"]["namespace"]) for o in network_of_shop.world.policies}
            named = re.findall(
                r"NetworkPolicy (\S+) in namespace (\S+) ", " ".join(check.message for check in verdict.checks)
            )
            sides = [one for one in (sender, services[port.service]) if one and not observer.is_audited(one)]
            assert set(named) <= policies and len(named) == len(sides)


USERS, LEDGER = Key("shop", "users"), Key("accounts", "ledger")
USERS_DATABASE = ServicePort(USERS, Part.DATABASE, 5432)
SHOP = {one.key: one for one in [service(http={"port": 8080}, database=DATABASE), service("payments")]}


def verdict_on(
    source: reachability.Source, port: ServicePort, *others: Service, labels: Labels | None = None
) -> reachability.Verdict:
    """Return the verdict in SHOP with other services."""
    services = SHOP | {one.key: one for one in others}
    verdict = reachability.verdict(
        source, port, services, labels if labels is not None else {"shop": {}, "accounts": {}}
    )
    assert verdict is not None
    return verdict


def test_ports_names_and_addresses() -> None:
    """The names and addresses of a service's ports."""
    named = [(port.name, port.full_name, port.address) for port in ports_of(SHOP[USERS])]
    assert named == [
        ("users:50051", "shop/users:50051", "users.shop.svc:50051"),
        ("users:8080", "shop/users:8080", "users.shop.svc:8080"),
        ("users-database:5432", "shop/users-database:5432", "users-database.shop.svc:5432"),
    ]
    assert USERS_DATABASE.target == names.database("users"), "the policy and the Service of a database share a name"


def test_reachability_own_ports() -> None:
    """No verdict exists for a service and its own gRPC or HTTP port."""
    own = SHOP[USERS]
    judged = {port.part: reachability.verdict(own, port, SHOP, {}) is not None for port in ports_of(own)}
    assert judged == {Part.ENDPOINT: False, Part.HTTP: False, Part.DATABASE: True}


def test_reachability_database_of_other_service() -> None:
    """A database is open only for the owner; no field opens a database."""
    assert verdict_on(SHOP[USERS], USERS_DATABASE).access is Access.OPEN
    for source in (SHOP[Key("shop", "payments")], None):
        refused = verdict_on(source, USERS_DATABASE)
        assert refused.access is Access.CLOSED
        assert refused.fixes[0].startswith("No field opens a database to other services.")


def test_reachability_http_port() -> None:
    """An HTTP port is open for unmanaged pods and closed for services."""
    http = ServicePort(USERS, Part.HTTP, 8080)
    assert verdict_on(None, http).access is Access.OPEN
    checks = {check.subject: check.access for check in verdict_on(SHOP[Key("shop", "payments")], http).checks}
    expected = {"declared": Access.CLOSED, "http": Access.OPEN, "egress": Access.CLOSED, "ingress": Access.OPEN}
    assert checks == expected


@pytest.mark.parametrize(
    ("description", "egress", "access"),
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
def test_reachability_egress_with_pod_addresses(description: str, egress: Object, access: Access) -> None:
    """Egress to pod addresses makes HTTP ports unknown, and no other port."""
    payments = service("payments", egress=[egress])
    assert verdict_on(payments, ServicePort(USERS, Part.HTTP, 8080)).access is access, description
    everything = service("payments", egress=[{**egress, "ports": [5432, 50051]}])
    assert {verdict_on(everything, port).access for port in ports_of(SHOP[USERS]) if port.part is not Part.HTTP} == {
        Access.CLOSED
    }


def test_reachability_unknown_namespace_labels() -> None:
    """Consent by selector is unknown without the labels of the namespace."""
    consumers = {"from": "Selector", "selector": {"matchLabels": {"team": "sales"}}}
    ledger = service("ledger", "accounts", grpc={"consumers": consumers})
    payments = service("payments", consumes=[{"name": "ledger", "namespace": "accounts"}])
    port = ports_of(ledger)[0]
    assert verdict_on(payments, port, ledger, labels={}).access is Access.UNKNOWN
    assert verdict_on(service("payments"), port, ledger, labels={}).access is Access.CLOSED, "not declared"
    assert verdict_on(payments, port, ledger, labels={"shop": {"team": "sales"}}).access is Access.OPEN


def test_reachability_service_labelled_like_gateway() -> None:
    """A service with the labels of a Gateway's proxies is not admitted as a proxy."""
    expose = {"gateway": {"name": "public"}, "hostnames": ["users.example.com"], "proxies": OWN}
    users, payments = service(grpc={"expose": expose}), service("payments", isolation="Audit")
    network = Network({one.key: one for one in (users, payments)}, {"shop": {meta.NAMESPACE_NAME: "shop"}})
    (port,) = ports_of(users)
    assert network.permits(Key("shop", "proxy-0"), port)
    assert not network.permits(payments.key, port), "no egress policy closes, and the labels match"


def test_reachability_from_gateway() -> None:
    """The proxies of a Gateway reach exposed gRPC ports and HTTP ports only."""
    public = gateways.default_proxies(Key("gateways", "public"))
    expose: Object = {"gateway": {"name": "public", "namespace": "gateways"}, "hostnames": ["users.example.com"]}
    subject = service(grpc={"expose": expose}, http={"port": 8080}, database=DATABASE)
    access = {port.part: verdict_on(public, port, subject).access for port in ports_of(subject)}
    assert access == {Part.ENDPOINT: Access.OPEN, Part.HTTP: Access.OPEN, Part.DATABASE: Access.CLOSED}
    other = gateways.default_proxies(Key("shop", "public"))
    assert verdict_on(other, ports_of(subject)[0], subject).access is Access.CLOSED
    closed = verdict_on(public, ports_of(SHOP[USERS])[0])
    assert closed.access is Access.CLOSED
    assert closed.fixes == (
        "Set spec.grpc.expose of shop/users to {gateway: {name: public, namespace: gateways}, hostnames: [NAME]}.",
    )


def fixed(fix: str, spec: MicroserviceSpec) -> MicroserviceSpec:
    """Return a spec after the edit of a fix."""
    fields = spec.model_dump(by_alias=True)
    if added := re.match(r"Add (\{.*\}) to spec\.consumes of ", fix):
        fields["consumes"].append(yaml.safe_load(added[1]))
    elif replaced := re.match(r"Set spec\.grpc\.consumers of \S+ to (\{.*\}), or to \{from: All\}\.", fix):
        fields["grpc"]["consumers"] = yaml.safe_load(replaced[1])
    return MicroserviceSpec.model_validate(fields)


@pytest.mark.parametrize("home", HOMES)
def test_reachability_fixes_open_connection(home: str) -> None:
    """Following the fixes opens the connection and keeps other consumers admitted."""
    ledger, payments = service("ledger", "accounts"), service("payments", home)
    other = service("other", "accounts", consumes=[{"name": "ledger"}])
    port = ports_of(ledger)[0]
    labels: Labels = {each: {meta.NAMESPACE_NAME: each} for each in HOMES}
    fixes = verdict_on(payments, port, ledger, labels=labels).fixes
    assert len(fixes) == (1 if home == "accounts" else 2)
    for fix in fixes:
        change: Object = {"spec": fixed(fix, (ledger if "grpc" in fix else payments).spec)}
        if "grpc" in fix:
            ledger = Service(ledger.key, ledger.uid, 2, **change)
        else:
            payments = Service(payments.key, payments.uid, 2, **change)
    assert verdict_on(payments, port, ledger, labels=labels).access is Access.OPEN
    assert verdict_on(other, port, ledger, labels=labels).access is Access.OPEN
