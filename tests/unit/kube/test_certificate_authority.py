"""The certificate authority: its certificates are trusted, also during a renewal."""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID
from freehold.core.certificates.plan import Request
from freehold.core.model.authority import Authority, Issued
from freehold.kube import certificate_authority
from freehold.kube.certificate_authority import CertificateAuthority, UnusableAuthorityError

HOST = "users-database.shop.svc"
REQUEST = Request("users-database-tls", "database", (HOST, "users-database"))
NOW = datetime.now(UTC).replace(microsecond=0)
"""The current time, since the TLS library uses the clock of the machine."""
YEAR = timedelta(days=365)


def handshake(folder: Path, issued: Issued, trusted: str, host: str = HOST) -> str | None:
    """Return the TLS version of a handshake between a client and a server. Raises ssl.SSLError."""
    (folder / "tls.pem").write_text(issued.certificate + issued.key)
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cadata=trusted)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    server.load_cert_chain(folder / "tls.pem")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_side = server.wrap_bio(to_server, to_client, server_side=True)
    client_side = client.wrap_bio(to_client, to_server, server_hostname=host)
    for _ in range(4):
        for side in (client_side, server_side):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client_side.version()


def test_certificate_trusted(tmp_path: Path) -> None:
    """An issued certificate is trusted with the authority's public certificates."""
    signer = CertificateAuthority(certificate_authority.generate(NOW))
    assert handshake(tmp_path, signer.issue(REQUEST, NOW), signer.public.trusted) == "TLSv1.3"


@pytest.mark.parametrize("identity", ["", "spiffe://cluster.local/ns/shop/sa/users"])
def test_client_usage_needs_identity(identity: str) -> None:
    """A certificate without an identity, as a database's, proves no client."""
    signer = CertificateAuthority(certificate_authority.generate(NOW))
    issued = x509.load_pem_x509_certificate(signer.issue(replace(REQUEST, identity=identity), NOW).certificate.encode())
    usages = issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.SERVER_AUTH in usages
    assert (ExtendedKeyUsageOID.CLIENT_AUTH in usages) is bool(identity)


@pytest.mark.parametrize(
    ("says", "host", "when"),
    [
        ("of another name", "payments-database.shop.svc", NOW),
        ("expired", HOST, NOW - YEAR),
        ("not valid yet", HOST, NOW + YEAR),
    ],
)
def test_certificate_refused(tmp_path: Path, says: str, host: str, when: datetime) -> None:
    """A certificate for another name or outside its validity is refused."""
    signer = CertificateAuthority(certificate_authority.generate(NOW - 2 * YEAR))
    with pytest.raises(ssl.SSLCertVerificationError):
        print(says, handshake(tmp_path, signer.issue(REQUEST, when), signer.public.trusted, host))


def test_other_authority_refused(tmp_path: Path) -> None:
    """A certificate of another authority is refused."""
    ours, other = (CertificateAuthority(certificate_authority.generate(NOW)) for _ in range(2))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, other.issue(REQUEST, NOW), ours.public.trusted)


def test_renewal_trusted_before_signing(tmp_path: Path) -> None:
    """At each step of a renewal, certificates of the adjacent steps are trusted by both."""
    old = certificate_authority.generate(NOW - 9 * YEAR)
    announced = certificate_authority.renew(old, NOW)
    assert announced
    assert certificate_authority.renew(announced, NOW + timedelta(days=6)) is None
    signing = certificate_authority.renew(announced, NOW + timedelta(days=8))
    assert signing
    assert certificate_authority.renew(signing, NOW + timedelta(days=9)) is None

    first, second, third = map(CertificateAuthority, (old, announced, signing))
    for signer, known in ((first, second), (second, first), (second, third), (third, second)):
        assert handshake(tmp_path, signer.issue(REQUEST, NOW), known.public.trusted) == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, third.issue(REQUEST, NOW), first.public.trusted)


def test_supplied_authority_signs_with_chain(tmp_path: Path) -> None:
    """An intermediate in tls.crt with its root in ca.crt, as written by cert-manager, signs."""
    root, data = CertificateAuthority(certificate_authority.generate(NOW)), certificate_authority.generate(NOW)
    brought = CertificateAuthority({**data, "ca.crt": root.public.trusted + data["tls.crt"]})
    assert brought.public == Authority(root.public.trusted + data["tls.crt"], brought.public.signers)
    assert handshake(tmp_path, brought.issue(REQUEST, NOW), brought.public.trusted) == "TLSv1.3"


GOOD = certificate_authority.generate(NOW)
ED25519 = ed25519.Ed25519PrivateKey.generate().private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"tls.crt": "x", "tls.key": "y"},
        {**GOOD, "tls.crt": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
        {**GOOD, "tls.crt": "\ufffd\x00"},
        {**GOOD, "tls.key": certificate_authority.generate(NOW)["tls.key"]},
        {**GOOD, "tls.key": ED25519.decode()},
        {**GOOD, "ca.crt": "x"},
        {**GOOD, "next.crt": "x", "next.key": "y"},
    ],
)
def test_unusable_authority_refused(data: dict[str, str]) -> None:
    """A Secret without a usable authority is not renewed, and is refused with the action."""
    assert certificate_authority.renew(data, NOW) is None
    with pytest.raises(UnusableAuthorityError, match="or delete it to generate a new authority"):
        CertificateAuthority(data)
