"""Certificates of database servers and services, issued by the operator and renewed in time.

A database server has a certificate for the DNS names of the server, so that clients can verify the server (libpq,
`sslmode=verify-full`). With mutual TLS, a service has a certificate with a SPIFFE ID. A certificate stays in use while
the names match, a trusted authority signed, and a third of the lifetime is left.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from freehold.core.model import grants
from freehold.core.model.authority import Authority, Issued
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Key, Object, Observed, Plan, Ref
from freehold.core.objects import meta, names
from freehold.core.peers import aliases, consent, counterpart

CAPABILITY = "certificates"


@dataclass(frozen=True)
class Request:
    """A required certificate. secret: the Secret for the certificate. hosts, identity: the DNS names and the URI."""

    secret: str
    component: str
    hosts: tuple[str, ...]
    identity: str = ""


def requests(case: Case) -> tuple[Request, ...]:
    """Return all certificates that a service needs."""
    needed: tuple[Request, ...] = ()
    domain = case.observed.platform.cluster_domain
    if case.spec.database:
        services = (case.key, *filter(None, [counterpart.with_database(case)]))
        hosts = tuple(dict.fromkeys(host for service in services for host in _database_hosts(service, domain)))
        needed += (Request(names.server_certificate(case.name), meta.DATABASE, hosts),)
    if consent.needs_identity(case):
        known_as = aliases.all_names(case.observed.aliases, case.key)
        hosts = tuple(dict.fromkeys(host for key in known_as for host in names.hosts(key.name, key.namespace, domain)))
        identity = names.spiffe_id(case.observed.platform.trust_domain, case.key)
        needed += (Request(names.identity(case.name), meta.SERVICE, hosts, identity),)
    return needed


def _database_hosts(service: Key, domain: str) -> tuple[str, ...]:
    """The DNS names of a service's database, with a wildcard for the instances."""
    instances = f"*.{names.host(names.database_nodes(service.name), service.namespace)}"
    return *names.hosts(names.database(service.name), service.namespace, domain), instances


def due(request: Request, observed: Observed) -> bool:
    """Return whether a certificate must be issued: none exists, or the existing one is wrong or due for renewal."""
    existing = _existing(request, observed)
    certificate = _parsed(existing) if existing else None
    return certificate is None or not (
        certificate.not_valid_before_utc <= observed.now < renewal(certificate)
        and _subjects(certificate) == {*request.hosts, *filter(None, (request.identity,))}
        and _is_signed(certificate, observed.authority)
    )


def renewal(certificate: x509.Certificate) -> datetime:
    """The time at which two thirds of the lifetime are over."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begin + (end - begin) * 2 / 3


def plan(case: Case) -> Plan:
    """Return a Secret (kubernetes.io/tls) for each certificate, with the trusted authorities."""
    wanted = requests(case)
    if not wanted:
        return Plan(CAPABILITY, ())
    if not case.observed.secrets_granted:
        if case.spec.database:
            message = "waiting for the same grant as the credentials"
            return Plan(CAPABILITY, (), _condition(State.UNKNOWN, Reason.SECRETS_NOT_GRANTED, message))
        message = grants.secrets_not_granted(case)
        return Plan(CAPABILITY, (), _condition(State.FALSE, Reason.SECRETS_NOT_GRANTED, message))
    used = {request: _in_use(request, case.observed) for request in wanted}
    objects = tuple(_secret(case, request, issued) for request, issued in used.items())
    message = "; ".join(f"{request.secret} {_validity(issued)}" for request, issued in used.items())
    return Plan(CAPABILITY, objects, _condition(State.TRUE, Reason.ISSUED, message))


def _in_use(request: Request, observed: Observed) -> Issued:
    """Return the existing certificate, or the fresh one if the existing one is due."""
    existing = _existing(request, observed)
    if existing is None or due(request, observed):
        return observed.certificates[request.secret]
    return existing


def _existing(request: Request, observed: Observed) -> Issued | None:
    data = observed.objects.get(Ref("Secret", request.secret), {}).get("data", {})
    try:
        return Issued(*(base64.b64decode(data[key]).decode() for key in ("tls.crt", "tls.key")))
    except (KeyError, ValueError):
        return None


def _parsed(issued: Issued) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(issued.certificate.encode())
    except ValueError:
        return None


def _subjects(certificate: x509.Certificate) -> set[str]:
    """The DNS names and URIs in a certificate."""
    try:
        subjects = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {*subjects.get_values_for_type(x509.DNSName), *subjects.get_values_for_type(x509.UniformResourceIdentifier)}


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


def _secret(case: Case, request: Request, issued: Issued) -> Object:
    data = {"tls.crt": issued.certificate, "tls.key": issued.key, names.CA_FILE: case.observed.authority.trusted}
    return meta.build(
        case.service,
        "v1",
        "Secret",
        request.secret,
        meta.labels(case.service, request.component, CAPABILITY),
        type="kubernetes.io/tls",
        data={key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    )


def _condition(state: State, reason: Reason, message: str) -> Condition:
    return Condition(Type.CERTIFICATES_READY, state, reason, message)
