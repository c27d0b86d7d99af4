"""The certificate authority: what it signs is believed, and its renewal leaves nobody behind."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from freehold.core.certificates.plan import Request
from freehold.core.model.resources import Authority, Issued
from freehold.kube import certificate_authority
from freehold.kube.certificate_authority import CertificateAuthority, UnusableAuthorityError

HOST = "users-database.shop.svc"
REQUEST = Request("users-database-tls", "database", (HOST, "users-database"))
NOW = datetime.now(UTC).replace(microsecond=0)
"""The TLS library asks the machine's clock."""
YEAR = timedelta(days=365)


def handshake(folder: Path, issued: Issued, trusted: str, host: str = HOST) -> str | None:
    """The TLS version a client and a server of these agree on. Raises ssl.SSLError."""
    (folder / "tls.pem").write_text(issued.certificate + issued.key)
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cadata=trusted)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    server.load_cert_chain(folder / "tls.pem")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    there = server.wrap_bio(to_server, to_client, server_side=True)
    here = client.wrap_bio(to_client, to_server, server_hostname=host)
    for _ in range(4):
        for side in (here, there):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return here.version()


def test_what_it_signs_is_believed(tmp_path: Path) -> None:
    signer = CertificateAuthority(certificate_authority.generate(NOW))
    assert handshake(tmp_path, signer.issue(REQUEST, NOW), signer.public.trusted) == "TLSv1.3"


@pytest.mark.parametrize(
    ("says", "host", "when"),
    [
        ("of another name", "payments-database.shop.svc", NOW),
        ("expired", HOST, NOW - YEAR),
        ("not valid yet", HOST, NOW + YEAR),
    ],
)
def test_it_is_not_believed(tmp_path: Path, says: str, host: str, when: datetime) -> None:
    signer = CertificateAuthority(certificate_authority.generate(NOW - 2 * YEAR))
    with pytest.raises(ssl.SSLCertVerificationError):
        print(says, handshake(tmp_path, signer.issue(REQUEST, when), signer.public.trusted, host))


def test_another_authority_is_not_believed(tmp_path: Path) -> None:
    ours, other = (CertificateAuthority(certificate_authority.generate(NOW)) for _ in range(2))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, other.issue(REQUEST, NOW), ours.public.trusted)


def test_a_renewal_is_trusted_first_and_signs_a_week_later(tmp_path: Path) -> None:
    """At each step, what any step before it signed is believed by those who know any step after it, and the reverse."""
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


def test_one_that_somebody_put_there_signs_with_its_chain(tmp_path: Path) -> None:
    """As cert-manager writes it: an intermediate in tls.crt, its root in ca.crt."""
    root, data = CertificateAuthority(certificate_authority.generate(NOW)), certificate_authority.generate(NOW)
    brought = CertificateAuthority({**data, "ca.crt": root.public.trusted + data["tls.crt"]})
    assert brought.public == Authority(root.public.trusted + data["tls.crt"], brought.public.signers)
    assert handshake(tmp_path, brought.issue(REQUEST, NOW), brought.public.trusted) == "TLSv1.3"


@pytest.mark.parametrize("data", [{}, {"tls.crt": "x", "tls.key": "y"}])
def test_one_that_cannot_sign_is_refused_with_the_way_out(data: dict[str, str]) -> None:
    with pytest.raises(UnusableAuthorityError, match="delete it for Freehold to make one"):
        CertificateAuthority(data)
