"""Certificates for tests, and a directory of certificates with the structure that the kubelet creates."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOUR = timedelta(hours=1)
versions = count()


def uri(service: str) -> str:
    """Return the SPIFFE URI of a service of the shop."""
    return f"spiffe://cluster.local/ns/shop/sa/{service}"


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, in PEM."""

    certificate: bytes
    key: bytes

    def trusting(self, authorities: bytes) -> grpc.ChannelCredentials:
        """Return channel credentials with this certificate and the given CA certificates."""
        return grpc.ssl_channel_credentials(authorities, self.key, self.certificate)


class Authority:
    """Issues certificates for services, by default valid from one hour ago for two hours."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        # Each CA has its own name, which distinguishes a CA from its successor.
        self._name = x509.Name.from_rfc4514_string(f"CN=authority {next(versions)}")
        built = _builder(self._name, self._key, -HOUR).subject_name(self._name)
        built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = _pem(built.sign(self._key, hashes.SHA256()))

    def issue(self, service: str, *, start: timedelta = -HOUR) -> Identity:
        """Return a certificate with the service's SPIFFE URI, for its host name and localhost."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [
            x509.UniformResourceIdentifier(uri(service)),
            x509.DNSName(f"{service}.shop.svc"),
            x509.DNSName("localhost"),
        ]
        built = _builder(self._name, key, start).subject_name(x509.Name([]))
        built = built.add_extension(x509.SubjectAlternativeName(names), critical=True)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Identity(_pem(built.sign(self._key, hashes.SHA256())), private)


def _builder(issuer: x509.Name, key: ec.EllipticCurvePrivateKey, start: timedelta) -> x509.CertificateBuilder:
    begin = datetime.now(UTC) + start
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + 2 * HOUR)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def publish(directory: Path, identity: Identity, authorities: bytes, clients: tuple[str, ...]) -> None:
    """Replace the files like the kubelet does: all at once, by replacing the symbolic link ..data."""
    version = directory / f"..{next(versions)}"
    version.mkdir(parents=True)
    (version / "tls.crt").write_bytes(identity.certificate)
    (version / "tls.key").write_bytes(identity.key)
    (version / "ca.crt").write_bytes(authorities)
    (version / "clients").write_text("".join(f"{uri(client)}\n" for client in clients))
    data, new = directory / "..data", directory / "..data_tmp"
    old = data.resolve()
    new.symlink_to(version.name)
    new.replace(data)
    for file in version.iterdir():
        if not (directory / file.name).is_symlink():
            (directory / file.name).symlink_to(Path("..data") / file.name)
    if old != data:
        shutil.rmtree(old)
