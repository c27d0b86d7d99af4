"""Calls and handshakes with any certificate, from pods with a consumer's labels to services with mutual TLS."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from freehold.core.certificates.plan import Request
from freehold.core.model.authority import Issued
from freehold.kube.certificate_authority import CertificateAuthority

from tests.e2e.support.cluster import Object, Space
from tests.e2e.support.pod_exec import python

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


class Endpoint(NamedTuple):
    """An endpoint with mutual TLS, and one of its admitted consumers."""

    provider: str
    consumer: str
    method: str

    @property
    def caller(self) -> str:
        """The pod with the consumer's labels."""
        return f"like-{self.consumer}"


def issue(authority: CertificateAuthority, identity: str, host: str = "caller", days: int = 0) -> Issued:
    """Issue a certificate for 90 days from a number of days from now; an empty identity leaves the identity out."""
    return authority.issue(Request("", "", (host,), identity), datetime.now(UTC) + timedelta(days=days))


def identity_of(yard: Space, service: str) -> str:
    """Return the SPIFFE ID of a service in this namespace."""
    return f"spiffe://cluster.local/ns/{yard.name}/sa/{service}"


def call(
    yard: Space, endpoint: Endpoint, shown: Issued | None, *, plain: bool = False, until: str | None = None
) -> str:
    """Return the status code and the message of a call. until: the code to wait for."""
    given = {**_given(yard, endpoint, shown), "method": endpoint.method, "plain": plain, "until": until}
    return python(yard, f"pod/{endpoint.caller}", CALL, text=json.dumps(given))


def shake(yard: Space, endpoint: Endpoint, shown: Issued, *, most: str = "TLSv1_3", serial: int | None = None) -> str:
    """Return TLS version and certificate serial number of a handshake. serial: the number to wait for."""
    given = {**_given(yard, endpoint, shown), "most": most, "serial": serial}
    return python(yard, f"pod/{endpoint.caller}", SHAKE, text=json.dumps(given))


def decoded(secret: Object) -> dict[str, str]:
    """Return the decoded data of a Secret."""
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


def serial_number(yard: Space, service: str) -> int:
    """Return the serial number of a service's present certificate."""
    kept = decoded(yard.get(f"secret/{service}-identity"))["tls.crt"]
    return x509.load_pem_x509_certificate(kept.encode()).serial_number


def _given(yard: Space, endpoint: Endpoint, shown: Issued | None) -> Object:
    trusted = decoded(yard.get("secret/users-identity"))["ca.crt"]
    crt, key = shown or (None, None)
    return {"target": f"dns:///{endpoint.provider}.{yard.name}.svc:50051", "ca": trusted, "crt": crt, "key": key}
