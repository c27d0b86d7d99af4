"""Mutual TLS between services: admitted and refused callers, and renewal of certificates under load.

The attempts come from pods with a consumer's labels, so that network policies let them through and the endpoint alone
decides.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from freehold.kube.certificate_authority import CertificateAuthority, generate

from hack.stage import SYSTEM_NAMESPACE
from tests.e2e.support.cluster import Object, Space
from tests.e2e.support.connection_attempts import stranger
from tests.e2e.support.microservices import IMAGES, front_end, idle, payments, users
from tests.e2e.support.mutual_tls_calls import Endpoint, call, decoded, identity_of, issue, serial_number, shake
from tests.e2e.support.storefront_client import Load, Storefront, forwarded

pytestmark = pytest.mark.first

MUTUAL = {"tls": "Mutual"}
WAIT = ["/opt/users/bin/python", "-c", "import signal; signal.pause()"]
SERVICES = ("users", "payments", "storefront")
RENEWALS = 2
"""The least number of renewals; after a single one, a service might still use what it read at its start."""
CONNECTIONS_LAST = 15
"""Seconds; the services close each connection after four, with ten more for open calls."""

ENDPOINTS = (
    Endpoint("users", "payments", "/shop.users.v1.UsersService/ListUsers"),
    Endpoint("payments", "storefront", "/shop.payments.v1.PaymentsService/ListPayments"),
)


@pytest.fixture(scope="module")
def yard(yard: Space) -> Space:
    """The shop with mutual TLS for all calls, and a calling pod for each endpoint."""
    yard.apply(users(grpc=MUTUAL), payments(grpc=MUTUAL), front_end())
    yard.until_ready(*SERVICES, within=300)
    for endpoint in ENDPOINTS:
        yard.apply(_in_the_clothes_of(yard, endpoint.consumer, endpoint.caller))
        yard.kubectl("wait", f"pod/{endpoint.caller}", "--for=condition=ContainersReady", "--timeout=60s")
    return yard


@pytest.fixture
def front(yard: Space) -> Iterator[Storefront]:
    with forwarded(yard) as storefront:
        for path in ("/api/users", "/api/payments"):
            storefront.until(path, 200)
        yield storefront


@pytest.fixture(scope="module")
def authority(yard: Space) -> CertificateAuthority:
    """The certificate authority of the installation."""
    secret = json.loads(yard.cluster.kubectl("get", "secret", "freehold-ca", "-n", SYSTEM_NAMESPACE, "-o", "json"))
    return CertificateAuthority(decoded(secret))


def _in_the_clothes_of(yard: Space, service: str, name: str) -> Object:
    """Return a pod that the policies of a service select. The pod is never Ready, so that it gets no calls."""
    labels = {k: v for k, v in yard.pods(service)[0]["metadata"]["labels"].items() if k != "pod-template-hash"}
    pod = stranger(name, IMAGES["users"], {**labels, "freehold.dev/probe": "true"}, WAIT)
    return {**pod, "spec": {**pod["spec"], "readinessGates": [{"conditionType": "freehold.dev/never-ready"}]}}


def _pods(yard: Space) -> dict[str, list[int]]:
    """Return the UIDs of the serving pods with the restart counts of their containers."""
    pods = [pod for service in SERVICES for pod in yard.pods(service)]
    return {pod["metadata"]["uid"]: [s["restartCount"] for s in pod["status"]["containerStatuses"]] for pod in pods}


def test_mutual_tls_purchase(yard: Space, front: Storefront) -> None:
    """A purchase succeeds over mutual TLS, and the kubelet's probes keep all pods Ready without a restart."""
    _, person = front.purchase()

    assert yard.psql("users", f"select count(*) from users where id = '{person}'") == "1"
    assert yard.psql("payments", f"select count(*) from payments where user_id = '{person}'") == "1"
    assert list(_pods(yard).values()) == [[0], [0], [0]]
    yard.until_ready(*SERVICES, within=1)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.provider)
def test_mutual_tls_consumer_admitted(yard: Space, authority: CertificateAuthority, endpoint: Endpoint) -> None:
    """A declared consumer's certificate is accepted over TLS 1.3."""
    shown = issue(authority, identity_of(yard, endpoint.consumer))
    assert call(yard, endpoint, shown) == "OK"
    assert shake(yard, endpoint, shown) == f"TLSv1.3 {serial_number(yard, endpoint.provider)}"


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.provider)
def test_mutual_tls_invalid_certificate(yard: Space, authority: CertificateAuthority, endpoint: Endpoint) -> None:
    """Callers without a valid certificate of this authority do not get a connection."""
    who, another = identity_of(yard, endpoint.consumer), CertificateAuthority(generate(datetime.now(UTC)))
    good = issue(authority, who)
    said = {
        "plaintext": call(yard, endpoint, good, plain=True),
        "no certificate": call(yard, endpoint, None),
        "of another authority": call(yard, endpoint, issue(another, who)),
        "expired": call(yard, endpoint, issue(authority, who, days=-100)),
        "not yet valid": call(yard, endpoint, issue(authority, who, days=1)),
        "of a server": call(yard, endpoint, issue(authority, "")),  # without an identity, for servers alone
    }
    assert {what: answer for what, answer in said.items() if not answer.startswith("UNAVAILABLE ")} == {}
    assert shake(yard, endpoint, good, most="TLSv1_2").endswith(" 0")
    assert call(yard, endpoint, good) == "OK"


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.provider)
def test_mutual_tls_other_identity(yard: Space, authority: CertificateAuthority, endpoint: Endpoint) -> None:
    """Callers with a valid certificate of any other identity get PERMISSION_DENIED."""
    right = identity_of(yard, endpoint.consumer)
    others = {
        "without a declaration": identity_of(yard, "bystander"),
        "the provider itself": identity_of(yard, endpoint.provider),
        "a namesake elsewhere": right.replace(yard.name, f"{yard.name}-x"),
        "of another domain": right.replace("cluster.local", "example.org"),
        "more than a name": f"{right}/more",
    }
    said = {what: call(yard, endpoint, issue(authority, identity)) for what, identity in others.items()}
    assert {what: answer for what, answer in said.items() if not answer.startswith("PERMISSION_DENIED ")} == {}
    undeclared = "without a declaration"
    assert f"{others[undeclared]} may not call {endpoint.provider}" in said[undeclared]


def test_mutual_tls_list_follows_consumers(yard: Space, authority: CertificateAuthority) -> None:
    """A consumer is admitted while declared, and refused before and after, although the network lets it through."""
    till, (endpoint, _) = issue(authority, identity_of(yard, "till")), ENDPOINTS
    assert call(yard, endpoint, till).startswith("PERMISSION_DENIED ")

    yard.apply(idle("till", consumes=[{"name": "users"}]))
    assert call(yard, endpoint, till, until="OK") == "OK"
    assert identity_of(yard, "till") in _clients(yard, "users")

    yard.spec("till", consumes=[])
    assert call(yard, endpoint, till, until="PERMISSION_DENIED").startswith("PERMISSION_DENIED ")
    assert _clients(yard, "users") == {identity_of(yard, name) for name in ("payments", "storefront")}
    yard.delete("microservice/till")


def test_mutual_tls_consent_withdrawn(yard: Space, authority: CertificateAuthority) -> None:
    """Withdrawn consent closes the endpoint, and renewed consent opens it, without a restart of any pod."""
    (endpoint, _), before = ENDPOINTS, _pods(yard)
    payments_itself = issue(authority, identity_of(yard, endpoint.consumer))
    nobody = {"from": "Selector", "selector": {"matchLabels": {"freehold.dev/e2e": "nobody"}}}
    yard.spec("users", grpc={"consumers": nobody})
    try:
        yard.until_condition("payments", "DependenciesResolved", "False", "ConsumerNotAllowed", within=15)
        yard.until("configmap/users-consumers", lambda live: live["data"]["clients"] == "", within=15)
        assert not call(yard, endpoint, payments_itself, until="UNAVAILABLE").startswith("OK")
    finally:
        yard.spec("users", grpc={"consumers": None})
    yard.until_condition("payments", "DependenciesResolved", "True", within=15)
    assert call(yard, endpoint, payments_itself, until="OK") == "OK"
    assert _pods(yard) == before


def test_mutual_tls_renewed(yard: Space, authority: CertificateAuthority, front: Storefront) -> None:
    """Renewed certificates are served and no call fails, until all connections of the load were opened anew."""
    before, renewals, begun = _pods(yard), 0, time.monotonic()
    with Load(front), Load(front, "/api/payments", "payments"):
        while renewals < RENEWALS or time.monotonic() < begun + CONNECTIONS_LAST:
            old = {endpoint: serial_number(yard, endpoint.provider) for endpoint in ENDPOINTS}
            yard.delete(*(f"secret/{name}-identity" for name in SERVICES))
            for endpoint, was in old.items():
                yard.until(f"secret/{endpoint.provider}-identity", lambda _: True, within=15)
                now = serial_number(yard, endpoint.provider)
                shown = issue(authority, identity_of(yard, endpoint.consumer))
                assert now != was
                assert shake(yard, endpoint, shown, serial=now) == f"TLSv1.3 {now}"
            renewals += 1
        front.purchase()
    assert _pods(yard) == before


def _clients(yard: Space, service: str) -> set[str]:
    return set(yard.get(f"configmap/{service}-consumers")["data"]["clients"].split())
