"""Certificates: what each part of a service proves itself with, renewed long before it ends.

A database server proves its names, so that its clients can insist on them (libpq, `sslmode=verify-full`). What is kept
is judged by what it says: it stays as long as it holds the names that are asked for, comes from an authority that is
trusted, and has a third of its life before it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from freehold.core import meta, names
from freehold.core.model import Authority, Condition, Issued, Object, Observed, Plan, Reason, Ref, Service, State, Type

CAPABILITY = "certificates"


@dataclass(frozen=True)
class Request:
    """A certificate that is wanted. secret: where it is kept. hosts: the DNS names it proves."""

    secret: str
    component: str
    hosts: tuple[str, ...]


def requests(service: Service) -> tuple[Request, ...]:
    """Every certificate the service needs."""
    if service.spec.database is None:
        return ()
    hosts = names.hosts(names.database(service.name), service.namespace)
    return (Request(names.server_certificate(service.name), meta.DATABASE, hosts),)


def due(request: Request, objects: Mapping[Ref, Object], authority: Authority, now: datetime) -> bool:
    """Whether it must be issued: there is none, or the one there is must not be used for much longer."""
    kept = _kept(request, objects)
    certificate = _parsed(kept) if kept else None
    return certificate is None or not (
        certificate.not_valid_before_utc <= now < renewal(certificate)
        and _hosts(certificate) == set(request.hosts)
        and _is_signed(certificate, authority)
    )


def renewal(certificate: x509.Certificate) -> datetime:
    """When two thirds of its life are over."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begin + (end - begin) * 2 / 3


def desired(service: Service, observed: Observed) -> Plan:
    """A Secret of the usual form for each (kubernetes.io/tls), with the authorities to trust beside it."""
    wanted = requests(service)
    if not wanted:
        return Plan(CAPABILITY, ())
    if not observed.secrets_granted:
        said = f"waiting until Freehold may keep Secrets in namespace {service.namespace}"
        return Plan(CAPABILITY, (), _condition(State.UNKNOWN, Reason.SECRETS_NOT_GRANTED, said))
    used = {request: _in_use(request, observed) for request in wanted}
    objects = tuple(_secret(service, request, issued, observed) for request, issued in used.items())
    said = "; ".join(f"{request.secret} {_validity(issued)}" for request, issued in used.items())
    return Plan(CAPABILITY, objects, _condition(State.TRUE, Reason.ISSUED, said))


def _in_use(request: Request, observed: Observed) -> Issued:
    """What is kept as long as that is right, else a fresh one."""
    kept = _kept(request, observed.objects)
    if kept is None or due(request, observed.objects, observed.authority, observed.now):
        return observed.certificates[request.secret]
    return kept


def _kept(request: Request, objects: Mapping[Ref, Object]) -> Issued | None:
    data = objects.get(Ref("Secret", request.secret), {}).get("data", {})
    try:
        return Issued(*(base64.b64decode(data[key]).decode() for key in ("tls.crt", "tls.key")))
    except (KeyError, ValueError):
        return None


def _parsed(issued: Issued) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(issued.certificate.encode())
    except ValueError:
        return None


def _hosts(certificate: x509.Certificate) -> set[str]:
    try:
        proven = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return set(proven.get_values_for_type(x509.DNSName))


def _is_signed(certificate: x509.Certificate, authority: Authority) -> bool:
    signers = x509.load_pem_x509_certificates(authority.signers.encode())
    return any(_signed_by(certificate, signer) for signer in signers)


def _signed_by(certificate: x509.Certificate, signer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(signer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _validity(issued: Issued) -> str:
    certificate = _parsed(issued)
    if certificate is None:
        return "cannot be read"
    return f"is valid until {certificate.not_valid_after_utc:%Y-%m-%d} and renewed from {renewal(certificate):%Y-%m-%d}"


def _secret(service: Service, request: Request, issued: Issued, observed: Observed) -> Object:
    data = {"tls.crt": issued.certificate, "tls.key": issued.key, names.TRUSTED: observed.authority.trusted}
    return meta.build(
        service,
        "v1",
        "Secret",
        request.secret,
        meta.labels(service, request.component, CAPABILITY),
        type="kubernetes.io/tls",
        data={key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    )


def _condition(state: State, reason: Reason, said: str) -> Condition:
    return Condition(Type.CERTIFICATES_READY, state, reason, said)
