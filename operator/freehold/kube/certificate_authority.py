"""The certificate authority of the installation, kept in a Secret in the operator's namespace.

The operator generates the authority at the first start, unless the Secret exists: type kubernetes.io/tls, as written
by cert-manager for a Certificate with `isCA`. A generated authority is renewed in two steps: the successor is trusted
for a week before signing, so that no peer meets a certificate of an unknown authority.
"""

from __future__ import annotations

import base64
import logging
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from freehold.core import certificates
from freehold.core.certificates.plan import Request
from freehold.core.model.authority import Authority, Issued
from freehold.core.model.resources import Object
from freehold.core.objects import meta
from freehold.kube.client import Api
from freehold.kube.kinds import SECRET as KIND

logger = logging.getLogger(__name__)
SECRET = "freehold-ca"
MANAGER = "freehold-operator"
"""The managed-by label of objects that the operator generates for its own use."""
LIFETIME = timedelta(days=3650)
LEAF_LIFETIME = timedelta(days=90)
TRUSTED_BEFORE_USE = timedelta(days=7)
CLOCK_SKEW = timedelta(minutes=5)
"""The time by which the start of validity is in the past, for clients with slow clocks."""


class UnusableAuthorityError(Exception):
    """The Secret of the authority holds no usable certificate and key."""


class CertificateAuthority:
    """An authority that issues certificates. public: the certificates, without the key, for the core."""

    def __init__(self, data: dict[str, str]) -> None:
        """Read the authority from the decoded data of the Secret. Raises UnusableAuthorityError."""
        try:
            self._certificate = x509.load_pem_x509_certificate(data["tls.crt"].encode())
            self._key = _signing_key(data["tls.key"], self._certificate)
            for bundle in filter(None, (data.get("ca.crt"), data.get("next.crt"))):
                x509.load_pem_x509_certificates(bundle.encode())
        except (KeyError, ValueError, TypeError) as error:
            cause = (
                f"Secret {SECRET} must hold a certificate authority in tls.crt and tls.key, PEM: {str(error)[:200]!r}"
            )
            raise UnusableAuthorityError(
                f"{cause}; correct the Secret, or delete it to generate a new authority"
            ) from error
        self._chain = data["tls.crt"]
        trusted = "".join(dict.fromkeys((data.get("ca.crt") or self._chain, data.get("next.crt", ""))))
        self.public = Authority(trusted, trusted + self._chain)

    def issue(self, request: Request, now: datetime) -> Issued:
        """Return a new key and a certificate for the requested names, valid for LEAF_LIFETIME at most."""
        key = ec.generate_private_key(ec.SECP256R1())
        identity = [x509.UniformResourceIdentifier(request.identity)] if request.identity else []
        names = [*(x509.DNSName(host) for host in request.hosts), *identity]
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, *([ExtendedKeyUsageOID.CLIENT_AUTH] if identity else [])]
        certificate = (
            _builder(request.hosts[0], self._certificate, key, now)
            .not_valid_after(min(now + LEAF_LIFETIME, self._certificate.not_valid_after_utc))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        is_root = self._certificate.issuer == self._certificate.subject
        return Issued(_pem(certificate) + ("" if is_root else self._chain), _key_pem(key))


def _signing_key(pem: str, certificate: x509.Certificate) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    """Return the private key of a certificate. Raises ValueError, TypeError for any other key."""
    key = serialization.load_pem_private_key(pem.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise TypeError("the key is neither ECDSA nor RSA")
    if key.public_key() != certificate.public_key():
        raise ValueError("the key is not that of the certificate")
    return key


async def load(api: Api, namespace: str, now: datetime) -> CertificateAuthority:
    """Return the existing authority, renewed if due, or a new one. Raises UnusableAuthorityError, ClusterError."""
    live = await api.get(KIND, namespace, SECRET)
    if live is None:
        logger.info("generating a certificate authority in Secret %s of namespace %s", SECRET, namespace)
        live = await api.create(KIND, namespace, _secret(namespace, generate(now)))
    elif _is_generated(live) and (renewed := renew(_decoded(live), now)):
        logger.info("renewing the certificate authority in Secret %s of namespace %s", SECRET, namespace)
        live = await api.apply(KIND, {**_secret(namespace, renewed), "metadata": _metadata(namespace, live)})
    return CertificateAuthority(_decoded(live))


def renew(data: dict[str, str], now: datetime) -> dict[str, str] | None:
    """Return the Secret's data after the next step of a renewal, or None if no step is due.

    First a successor is generated and trusted; after TRUSTED_BEFORE_USE the successor signs. No step is due for a
    certificate that cannot be read: CertificateAuthority names that cause.
    """
    try:
        return _renewed(data, now)
    except (KeyError, ValueError):
        return None


def _renewed(data: dict[str, str], now: datetime) -> dict[str, str] | None:
    """Return the data after the next step, or None. Raises KeyError, ValueError for unreadable certificates."""
    certificate = x509.load_pem_x509_certificate(data["tls.crt"].encode())
    if "next.crt" not in data:
        if now < certificates.renewal(certificate):
            return None
        successor = generate(now)
        return {**data, "next.crt": successor["tls.crt"], "next.key": successor["tls.key"]}
    successor_of = x509.load_pem_x509_certificate(data["next.crt"].encode())
    if now < successor_of.not_valid_before_utc + TRUSTED_BEFORE_USE:
        return None
    # The old authority stays trusted, since certificates signed by it are still in use.
    return {"tls.crt": data["next.crt"], "tls.key": data["next.key"], "ca.crt": data["next.crt"] + data["tls.crt"]}


def generate(now: datetime) -> dict[str, str]:
    """Return a new self-signed authority as data of the Secret."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(f"Freehold {now:%Y-%m-%d %H:%M:%S}", None, key, now)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
        .sign(key, hashes.SHA256())
    )
    return {"tls.crt": _pem(certificate), "tls.key": _key_pem(key), "ca.crt": _pem(certificate)}


def _builder(
    common_name: str, issuer: x509.Certificate | None, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    """Return a builder with the common parts of all certificates. Without an issuer, the certificate is self-signed."""
    # A common name has at most 64 characters (RFC 5280, appendix A); verification uses the DNS names.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
    public = key.public_key()
    issuer_key = issuer.public_key() if issuer else public
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)  # type: ignore[arg-type]
    )


def _key_usage(*uses: str) -> x509.KeyUsage:
    ciphers = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    known = (*ciphers, "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{use: use in uses for use in known})


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def _secret(namespace: str, data: dict[str, str]) -> Object:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    labels = {meta.NAME: "freehold", meta.COMPONENT: "authority", meta.PART_OF: "freehold", meta.MANAGED_BY: MANAGER}
    metadata = {"name": SECRET, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/tls", "data": encoded}


def _metadata(namespace: str, live: Object) -> Object:
    """Return metadata with the version that was read, so that a Secret replaced meanwhile is not overwritten."""
    version = live["metadata"]["resourceVersion"]
    return {**_secret(namespace, {})["metadata"], "resourceVersion": version}


def _is_generated(live: Object) -> bool:
    return bool(live["metadata"].get("labels", {}).get(meta.MANAGED_BY) == MANAGER)


def _decoded(live: Object) -> dict[str, str]:
    """Return the decoded data; bytes that are not UTF-8 are replaced, and read as no certificate later."""
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in live.get("data", {}).items()}
