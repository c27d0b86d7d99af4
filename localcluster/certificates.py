"""Certificates and kubeconfigs of the cluster's components and of the administrator.

All files are created in one run and kept. If the set is incomplete, has other identities or is close to expiry, the
whole set is created again.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = datetime.timedelta(days=3650)
RENEW_BEFORE = datetime.timedelta(days=30)
# Clocks differ between machines, and containers may read an earlier time.
BACKDATE = datetime.timedelta(hours=1)
CLUSTER_AUTHORITY = "ca"
# Signs the API server's client certificate for extension API servers. Were the cluster CA used, every client with a
# certificate of the cluster could pose as the API server.
FRONT_PROXY_AUTHORITY = "front-proxy-ca"
SERVICE_ACCOUNT_KEY = "service-account"


@dataclass(frozen=True)
class Identity:
    """One certificate: for a client (`common_name` is the user, `groups` the groups), or with `hosts` for a server."""

    file: str
    common_name: str
    groups: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    authority: str = CLUSTER_AUTHORITY


def ensure(folder: Path, identities: Sequence[Identity]) -> bool:
    """Create the set in `folder` unless a valid one is present; return whether the set was created."""
    wanted = json.dumps([asdict(identity) for identity in identities], indent=1)
    manifest = folder / "identities.json"
    if manifest.exists() and manifest.read_text() == wanted and not _ends_soon(folder):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    authorities = {name: _authority(folder, name) for name in (CLUSTER_AUTHORITY, FRONT_PROXY_AUTHORITY)}
    for identity in identities:
        _issue(folder, identity, *authorities[identity.authority])
    _write_key(folder / f"{SERVICE_ACCOUNT_KEY}.key", key := _key())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{SERVICE_ACCOUNT_KEY}.pub").write_bytes(public)
    # Written last: the presence of the manifest marks a complete set.
    manifest.write_text(wanted)
    return True


def write_kubeconfig(target: Path, pki: Path, identity: str, server: str, context: str) -> None:
    """Write a kubeconfig with inline certificates, which can be copied to any place."""

    def data(file: str) -> str:
        return base64.b64encode((pki / file).read_bytes()).decode()

    cluster = {"server": server, "certificate-authority-data": data(f"{CLUSTER_AUTHORITY}.crt")}
    user = {"client-certificate-data": data(f"{identity}.crt"), "client-key-data": data(f"{identity}.key")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": cluster}],
        "users": [{"name": identity, "user": user}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": identity}}],
        "current-context": context,
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch(mode=0o600)
    target.write_text(yaml.safe_dump(config, sort_keys=False))


def _ends_soon(folder: Path) -> bool:
    authority = x509.load_pem_x509_certificate((folder / f"{CLUSTER_AUTHORITY}.crt").read_bytes())
    return authority.not_valid_after_utc < datetime.datetime.now(datetime.UTC) + RENEW_BEFORE


def _authority(folder: Path, name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = _key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"freehold-{name}")])
    certificate = (
        _certificate(subject, subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(folder / name, certificate, key)
    return certificate, key


def _issue(folder: Path, identity: Identity, issuer: x509.Certificate, issuer_key: ec.EllipticCurvePrivateKey) -> None:
    key = _key()
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in identity.groups]
    subject = x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, identity.common_name)])
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if identity.hosts else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        _certificate(subject, issuer.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    )
    if identity.hosts:
        names = x509.SubjectAlternativeName([_host(host) for host in identity.hosts])
        builder = builder.add_extension(names, critical=False)
    _write(folder / identity.file, builder.sign(issuer_key, hashes.SHA256()), key)


def _certificate(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + VALID)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _write(path: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    path.with_name(f"{path.name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    _write_key(path.with_name(f"{path.name}.key"), key)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
