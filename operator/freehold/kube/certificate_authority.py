"""The certificate authority of this installation: kept in one Secret of the operator's own namespace.

It is made at the first start, unless somebody has put one there: a Secret of the usual form (kubernetes.io/tls), as
cert-manager writes it for a Certificate with `isCA`. Freehold's own is renewed in two steps, so that nobody meets a
certificate of an authority that they do not trust yet: the next one is trusted for a week before it signs.
"""

from __future__ import annotations

import base64
import logging
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from freehold.core import certificates
from freehold.core.certificates.plan import Request
from freehold.core.model.resources import Authority, Issued, Object
from freehold.core.objects import meta
from freehold.kube.client import Api
from freehold.kube.kinds import SECRET as KIND

logger = logging.getLogger(__name__)
SECRET = "freehold-ca"
OURS = "freehold-operator"
"""The label of what the operator keeps for itself."""
LIFETIME = timedelta(days=3650)
LEAF_LIFETIME = timedelta(days=90)
TRUSTED_BEFORE_USE = timedelta(days=7)
CLOCK_SKEW = timedelta(minutes=5)
"""A certificate is valid from a little before it was made, for a client whose clock is behind."""


class UnusableAuthorityError(Exception):
    """The Secret of the authority does not hold what it takes to sign; the message says what to do."""


class CertificateAuthority:
    """Signs. `public` is what the core may know of it."""

    def __init__(self, data: dict[str, str]) -> None:
        """data: the Secret's, decoded. Raises UnusableAuthorityError."""
        try:
            self._certificate = x509.load_pem_x509_certificate(data["tls.crt"].encode())
            key = serialization.load_pem_private_key(data["tls.key"].encode(), None)
        except (KeyError, ValueError, TypeError) as error:
            said = f"Secret {SECRET} must hold a certificate authority in tls.crt and tls.key, PEM"
            raise UnusableAuthorityError(f"{said}; correct it, or delete it for Freehold to make one") from error
        self._key, self._chain = key, data["tls.crt"]
        trusted = "".join(dict.fromkeys((data.get("ca.crt") or self._chain, data.get("next.crt", ""))))
        self.public = Authority(trusted, trusted + self._chain)

    def issue(self, request: Request, now: datetime) -> Issued:
        """A fresh key, and a certificate that proves the names that are asked for."""
        key = ec.generate_private_key(ec.SECP256R1())
        identity = [x509.UniformResourceIdentifier(request.identity)] if request.identity else []
        proven = [*(x509.DNSName(host) for host in request.hosts), *identity]
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            _builder(request.hosts[0], self._certificate, key, now)
            .not_valid_after(min(now + LEAF_LIFETIME, self._certificate.not_valid_after_utc))
            .add_extension(x509.SubjectAlternativeName(proven), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_may("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .sign(self._key, hashes.SHA256())  # type: ignore[arg-type]
        )
        is_root = self._certificate.issuer == self._certificate.subject
        return Issued(_pem(certificate) + ("" if is_root else self._chain), _key_pem(key))


async def load(api: Api, namespace: str, now: datetime) -> CertificateAuthority:
    """The authority there is, or a new one. Raises UnusableAuthorityError, ClusterError."""
    live = await api.get(KIND, namespace, SECRET)
    if live is None:
        logger.info("making a certificate authority, kept in Secret %s of namespace %s", SECRET, namespace)
        live = await api.create(KIND, namespace, _secret(namespace, generate(now)))
    elif _is_ours(live) and (renewed := renew(_decoded(live), now)):
        logger.info("renewing the certificate authority in Secret %s of namespace %s", SECRET, namespace)
        live = await api.apply(KIND, {**_secret(namespace, renewed), "metadata": _metadata(namespace, live)})
    return CertificateAuthority(_decoded(live))


def renew(data: dict[str, str], now: datetime) -> dict[str, str] | None:
    """The next step of a renewal, where one is due: a successor that is trusted, then the successor that signs."""
    certificate = x509.load_pem_x509_certificate(data["tls.crt"].encode())
    if "next.crt" not in data:
        if now < certificates.renewal(certificate):
            return None
        successor = generate(now)
        return {**data, "next.crt": successor["tls.crt"], "next.key": successor["tls.key"]}
    successor_of = x509.load_pem_x509_certificate(data["next.crt"].encode())
    if now < successor_of.not_valid_before_utc + TRUSTED_BEFORE_USE:
        return None
    # The former one goes on being trusted, for what it signed is still in use.
    return {"tls.crt": data["next.crt"], "tls.key": data["next.key"], "ca.crt": data["next.crt"] + data["tls.crt"]}


def generate(now: datetime) -> dict[str, str]:
    """A new authority that signs itself, as its Secret's data."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(f"Freehold {now:%Y-%m-%d %H:%M:%S}", None, key, now)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_may("key_cert_sign", "crl_sign"), critical=True)
        .sign(key, hashes.SHA256())
    )
    return {"tls.crt": _pem(certificate), "tls.key": _key_pem(key), "ca.crt": _pem(certificate)}


def _builder(
    common_name: str, issuer: x509.Certificate | None, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    """What every certificate has in common; without an issuer it signs itself."""
    # A common name has at most 64 characters (RFC 5280, appendix A); who verifies looks at the DNS names.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
    mine = key.public_key()
    theirs = issuer.public_key() if issuer else mine
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(mine)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(mine), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(theirs), critical=False)  # type: ignore[arg-type]
    )


def _may(*uses: str) -> x509.KeyUsage:
    first = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    every = (*first, "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{use: use in uses for use in every})


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def _secret(namespace: str, data: dict[str, str]) -> Object:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    labels = {meta.NAME: "freehold", meta.COMPONENT: "authority", meta.PART_OF: "freehold", meta.MANAGED_BY: OURS}
    metadata = {"name": SECRET, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/tls", "data": encoded}


def _metadata(namespace: str, live: Object) -> Object:
    """With the version that was read: a Secret that somebody replaced meanwhile is left alone."""
    version = live["metadata"]["resourceVersion"]
    return {**_secret(namespace, {})["metadata"], "resourceVersion": version}


def _is_ours(live: Object) -> bool:
    return bool(live["metadata"].get("labels", {}).get(meta.MANAGED_BY) == OURS)


def _decoded(live: Object) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in live.get("data", {}).items()}
