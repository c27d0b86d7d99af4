"""Certificates: what each part of a service proves itself with, renewed long before it ends.

A database server proves its names, so that its clients can insist on them (libpq, `sslmode=verify-full`). Where calls
are mutually authenticated, a service also proves who it is (SPIFFE). What is kept is judged by what it says: it stays
as long as it holds what is asked for, comes from an authority that is trusted, and has a third of its life before it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from freehold.core.model import grants
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Authority, Issued, Key, Object, Observed, Plan, Ref
from freehold.core.objects import meta, names
from freehold.core.peers import aliases, consent, counterpart

CAPABILITY = "certificates"


@dataclass(frozen=True)
class Request:
    """A certificate that is wanted. secret: where it is kept. hosts, identity: the DNS names and the URI it proves."""

    secret: str
    component: str
    hosts: tuple[str, ...]
    identity: str = ""


def requests(case: Case) -> tuple[Request, ...]:
    """Every certificate the service needs."""
    wanted: tuple[Request, ...] = ()
    if case.spec.database:
        sides = (case.key, *filter(None, [counterpart.with_database(case)]))
        hosts = tuple(dict.fromkeys(host for side in sides for host in _database_hosts(side)))
        wanted += (Request(names.server_certificate(case.name), meta.DATABASE, hosts),)
    if consent.needs_identity(case):
        called = aliases.all_names(case.observed.aliases, case.key)
        hosts = tuple(dict.fromkeys(host for key in called for host in names.hosts(*reversed(key))))
        identity = names.spiffe_id(case.observed.platform.trust_domain, case.key)
        wanted += (Request(names.identity(case.name), meta.SERVICE, hosts, identity),)
    return wanted


def _database_hosts(service: Key) -> tuple[str, ...]:
    """The names of a service's database, and of each of its servers."""
    each = f"*.{names.host(names.database_nodes(service.name), service.namespace)}"
    return *names.hosts(names.database(service.name), service.namespace), each


def due(request: Request, observed: Observed) -> bool:
    """Whether it must be issued: there is none, or the one there is must not be used for much longer."""
    kept = _kept(request, observed)
    certificate = _parsed(kept) if kept else None
    return certificate is None or not (
        certificate.not_valid_before_utc <= observed.now < renewal(certificate)
        and _proven(certificate) == {*request.hosts, *filter(None, (request.identity,))}
        and _is_signed(certificate, observed.authority)
    )


def renewal(certificate: x509.Certificate) -> datetime:
    """When two thirds of its life are over."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begin + (end - begin) * 2 / 3


def plan(case: Case) -> Plan:
    """A Secret of the usual form for each (kubernetes.io/tls), with the authorities to trust beside it."""
    wanted = requests(case)
    if not wanted:
        return Plan(CAPABILITY, ())
    if not case.observed.secrets_granted:
        if case.spec.database:
            said = "waiting for the same grant as the credentials"
            return Plan(CAPABILITY, (), _condition(State.UNKNOWN, Reason.SECRETS_NOT_GRANTED, said))
        said = grants.secrets_not_granted(case)
        return Plan(CAPABILITY, (), _condition(State.FALSE, Reason.SECRETS_NOT_GRANTED, said))
    used = {request: _in_use(request, case.observed) for request in wanted}
    objects = tuple(_secret(case, request, issued) for request, issued in used.items())
    said = "; ".join(f"{request.secret} {_validity(issued)}" for request, issued in used.items())
    return Plan(CAPABILITY, objects, _condition(State.TRUE, Reason.ISSUED, said))


def _in_use(request: Request, observed: Observed) -> Issued:
    """What is kept as long as that is right, else a fresh one."""
    kept = _kept(request, observed)
    if kept is None or due(request, observed):
        return observed.certificates[request.secret]
    return kept


def _kept(request: Request, observed: Observed) -> Issued | None:
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


def _proven(certificate: x509.Certificate) -> set[str]:
    """The DNS names and URIs it stands for."""
    try:
        proven = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {*proven.get_values_for_type(x509.DNSName), *proven.get_values_for_type(x509.UniformResourceIdentifier)}


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


def _condition(state: State, reason: Reason, said: str) -> Condition:
    return Condition(Type.CERTIFICATES_READY, state, reason, said)
