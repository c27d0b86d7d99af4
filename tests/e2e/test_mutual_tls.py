"""Mutual TLS between services: admitted and refused callers, and renewal of certificates under load.

The attempts come from pods with a consumer's labels, so that network policies let them through and the endpoint alone
decides.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from cryptography import x509
from freehold.core.certificates.plan import Request
from freehold.core.model.resources import Issued
from freehold.kube.certificate_authority import CertificateAuthority, generate

from hack.stage import SYSTEM_NAMESPACE
from tests.e2e.support.cluster import Object, Space
from tests.e2e.support.connection_attempts import stranger
from tests.e2e.support.microservices import IMAGES, front_end, idle, payments, users
from tests.e2e.support.pod_exec import python
from tests.e2e.support.storefront_client import Load, Storefront, forwarded

pytestmark = pytest.mark.first

MUTUAL = {"tls": "Mutual"}
WAIT = ["/opt/users/bin/python", "-c", "import signal; signal.pause()"]
SERVICES = ("users", "payments", "storefront")
RENEWALS = 2
"""The least number of renewals; after a single one, a service might still use what it read at its start."""
CONNECTIONS_LAST = 15
"""Seconds; the services close each connection after four, with ten more for open calls."""
CARRIED = 150
"""Seconds until the kubelet has updated the volume of a Secret or ConfigMap in all pods."""

CALL = f"""
import grpc, json, sys, time
given = json.load(sys.stdin)
papers = (given[part] for part in ("ca", "key", "crt"))
credentials = grpc.ssl_channel_credentials(*(pem and pem.encode() for pem in papers))
secure = lambda: grpc.secure_channel(given["target"], credentials)
plain = lambda: grpc.insecure_channel(given["target"])
deadline = time.monotonic() + {CARRIED}
while True:
    with (plain if given["plain"] else secure)() as channel:
        try:
            channel.unary_unary(given["method"])(b"", timeout=5)
            code, said = "OK", ""
        except grpc.RpcError as error:
            code, said = error.code().name, error.details()
    if given["until"] in (None, code) or time.monotonic() > deadline:
        break
    time.sleep(1)
print(code, said)
"""
"""A program that calls until the status code is the expected one, and prints the last code and message."""

SHAKE = f"""
import json, socket, ssl, sys, time
given = json.load(sys.stdin)
for part in ("ca", "key", "crt"):
    open("/tmp/" + part, "w").write(given[part])
context = ssl.create_default_context(cafile="/tmp/ca")
context.load_cert_chain("/tmp/crt", "/tmp/key")
context.set_alpn_protocols(["h2"])
context.maximum_version = getattr(ssl.TLSVersion, given["most"])
host, _, port = given["target"].removeprefix("dns:///").rpartition(":")
deadline = time.monotonic() + {CARRIED}
while True:
    try:
        with socket.create_connection((host, port), 5) as plain, context.wrap_socket(plain, server_hostname=host) as it:
            said, serial = it.version(), int(it.getpeercert()["serialNumber"], 16)
    except ssl.SSLError as error:
        said, serial = error.reason, 0
    if given["serial"] in (None, serial) or time.monotonic() > deadline:
        break
    time.sleep(0.5)
print(said, serial)
"""
"""A program that repeats handshakes until the server's certificate is the expected one, and prints TLS version and
serial number."""


class Door(NamedTuple):
    """An endpoint with mutual TLS, and one of its admitted consumers."""

    provider: str
    consumer: str
    method: str

    @property
    def caller(self) -> str:
        """The pod with the consumer's labels."""
        return f"like-{self.consumer}"


DOORS = (
    Door("users", "payments", "/shop.users.v1.UsersService/ListUsers"),
    Door("payments", "storefront", "/shop.payments.v1.PaymentsService/ListPayments"),
)


@pytest.fixture(scope="module")
def yard(yard: Space) -> Space:
    """The shop with mutual TLS for all calls, and a calling pod for each endpoint."""
    yard.apply(users(grpc=MUTUAL), payments(grpc=MUTUAL), front_end())
    yard.until_ready(*SERVICES, within=300)
    for door in DOORS:
        yard.apply(_in_the_clothes_of(yard, door.consumer, door.caller))
        yard.kubectl("wait", f"pod/{door.caller}", "--for=condition=ContainersReady", "--timeout=60s")
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
    return CertificateAuthority(_decoded(secret))


def _in_the_clothes_of(yard: Space, service: str, name: str) -> Object:
    """Return a pod that the policies of a service select. The pod is never Ready, so that it gets no calls."""
    labels = {k: v for k, v in yard.pods(service)[0]["metadata"]["labels"].items() if k != "pod-template-hash"}
    pod = stranger(name, IMAGES["users"], {**labels, "freehold.dev/probe": "true"}, WAIT)
    return {**pod, "spec": {**pod["spec"], "readinessGates": [{"conditionType": "freehold.dev/never-ready"}]}}


def _issued(authority: CertificateAuthority, identity: str, host: str = "caller", days: int = 0) -> Issued:
    """Issue a certificate for 90 days from a number of days from now; an empty identity leaves the identity out."""
    return authority.issue(Request("", "", (host,), identity), datetime.now(UTC) + timedelta(days=days))


def _identity(yard: Space, service: str) -> str:
    return f"spiffe://cluster.local/ns/{yard.name}/sa/{service}"


def _call(yard: Space, door: Door, shown: Issued | None, *, plain: bool = False, until: str | None = None) -> str:
    """Return the status code and the message of a call. until: the code to wait for."""
    given = {**_given(yard, door, shown), "method": door.method, "plain": plain, "until": until}
    return python(yard, f"pod/{door.caller}", CALL, text=json.dumps(given))


def _shake(yard: Space, door: Door, shown: Issued, *, most: str = "TLSv1_3", serial: int | None = None) -> str:
    """Return TLS version and certificate serial number of a handshake. serial: the number to wait for."""
    given = {**_given(yard, door, shown), "most": most, "serial": serial}
    return python(yard, f"pod/{door.caller}", SHAKE, text=json.dumps(given))


def _given(yard: Space, door: Door, shown: Issued | None) -> Object:
    trusted = _decoded(yard.get("secret/users-identity"))["ca.crt"]
    crt, key = shown or (None, None)
    return {"target": f"dns:///{door.provider}.{yard.name}.svc:50051", "ca": trusted, "crt": crt, "key": key}


def _decoded(secret: Object) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


def _serial(yard: Space, service: str) -> int:
    """Return the serial number of a service's present certificate."""
    kept = _decoded(yard.get(f"secret/{service}-identity"))["tls.crt"]
    return x509.load_pem_x509_certificate(kept.encode()).serial_number


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


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.provider)
def test_mutual_tls_consumer_admitted(yard: Space, authority: CertificateAuthority, door: Door) -> None:
    """A declared consumer's certificate is accepted over TLS 1.3."""
    shown = _issued(authority, _identity(yard, door.consumer))
    assert _call(yard, door, shown) == "OK"
    assert _shake(yard, door, shown) == f"TLSv1.3 {_serial(yard, door.provider)}"


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.provider)
def test_mutual_tls_invalid_certificate(yard: Space, authority: CertificateAuthority, door: Door) -> None:
    """Callers without a valid certificate of this authority do not get a connection."""
    who, another = _identity(yard, door.consumer), CertificateAuthority(generate(datetime.now(UTC)))
    good = _issued(authority, who)
    said = {
        "plaintext": _call(yard, door, good, plain=True),
        "no certificate": _call(yard, door, None),
        "of another authority": _call(yard, door, _issued(another, who)),
        "expired": _call(yard, door, _issued(authority, who, days=-100)),
        "not yet valid": _call(yard, door, _issued(authority, who, days=1)),
    }
    assert {what: answer for what, answer in said.items() if not answer.startswith("UNAVAILABLE ")} == {}
    assert _shake(yard, door, good, most="TLSv1_2").endswith(" 0")
    assert _call(yard, door, good) == "OK"


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.provider)
def test_mutual_tls_other_identity(yard: Space, authority: CertificateAuthority, door: Door) -> None:
    """Callers with a valid certificate of any other identity get PERMISSION_DENIED."""
    right = _identity(yard, door.consumer)
    others = {
        "one that declares nothing": _identity(yard, "bystander"),
        "the provider itself": _identity(yard, door.provider),
        "a namesake elsewhere": right.replace(yard.name, f"{yard.name}-x"),
        "of another domain": right.replace("cluster.local", "example.org"),
        "more than a name": f"{right}/more",
        "nobody": "",
    }
    said = {what: _call(yard, door, _issued(authority, identity)) for what, identity in others.items()}
    assert {what: answer for what, answer in said.items() if not answer.startswith("PERMISSION_DENIED ")} == {}
    assert f"{others['one that declares nothing']} may not call {door.provider}" in said["one that declares nothing"]


def test_mutual_tls_list_follows_consumers(yard: Space, authority: CertificateAuthority) -> None:
    """A consumer is admitted while declared, and refused before and after, although the network lets it through."""
    till, (door, _) = _issued(authority, _identity(yard, "till")), DOORS
    assert _call(yard, door, till).startswith("PERMISSION_DENIED ")

    yard.apply(idle("till", consumes=[{"name": "users"}]))
    assert _call(yard, door, till, until="OK") == "OK"
    assert _identity(yard, "till") in _clients(yard, "users")

    yard.spec("till", consumes=[])
    assert _call(yard, door, till, until="PERMISSION_DENIED").startswith("PERMISSION_DENIED ")
    assert _clients(yard, "users") == {_identity(yard, name) for name in ("payments", "storefront")}
    yard.delete("microservice/till")


def test_mutual_tls_consent_withdrawn(yard: Space, authority: CertificateAuthority) -> None:
    """Withdrawn consent closes the endpoint, and renewed consent opens it, without a restart of any pod."""
    (door, _), before = DOORS, _pods(yard)
    payments_itself = _issued(authority, _identity(yard, door.consumer))
    nobody = {"from": "Selector", "selector": {"matchLabels": {"freehold.dev/e2e": "nobody"}}}
    yard.spec("users", grpc={"consumers": nobody})
    try:
        yard.until_condition("payments", "DependenciesResolved", "False", "ConsumerNotAllowed", within=15)
        yard.until("configmap/users-consumers", lambda live: live["data"]["clients"] == "", within=15)
        assert not _call(yard, door, payments_itself, until="UNAVAILABLE").startswith("OK")
    finally:
        yard.spec("users", grpc={"consumers": None})
    yard.until_condition("payments", "DependenciesResolved", "True", within=15)
    assert _call(yard, door, payments_itself, until="OK") == "OK"
    assert _pods(yard) == before


def test_mutual_tls_renewed(yard: Space, authority: CertificateAuthority, front: Storefront) -> None:
    """Renewed certificates are served and no call fails, until all connections of the load were opened anew."""
    before, renewals, begun = _pods(yard), 0, time.monotonic()
    with Load(front), Load(front, "/api/payments", "payments"):
        while renewals < RENEWALS or time.monotonic() < begun + CONNECTIONS_LAST:
            old = {door: _serial(yard, door.provider) for door in DOORS}
            yard.delete(*(f"secret/{name}-identity" for name in SERVICES))
            for door, was in old.items():
                yard.until(f"secret/{door.provider}-identity", lambda _: True, within=15)
                now, shown = _serial(yard, door.provider), _issued(authority, _identity(yard, door.consumer))
                assert now != was
                assert _shake(yard, door, shown, serial=now) == f"TLSv1.3 {now}"
            renewals += 1
        front.purchase()
    assert _pods(yard) == before


def _clients(yard: Space, service: str) -> set[str]:
    return set(yard.get(f"configmap/{service}-consumers")["data"]["clients"].split())
