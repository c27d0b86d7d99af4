"""Certificates stay while valid, and are renewed in time."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import pytest
from freehold.core import certificates
from freehold.core.certificates.plan import Request
from freehold.core.model.authority import Authority, Issued
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Observed, Ref
from freehold.core.objects import meta
from freehold.kube import certificate_authority

from tests.unit.core.worlds import AUTHORITY, DATABASE, NOW, PLATFORM, objects_of, observed, reconcile, service, settled

REQUEST = Request("users-database-tls", meta.DATABASE, ("users-database.shop.svc",))
SECRET = Ref("Secret", REQUEST.secret)
ISSUED = AUTHORITY.issue(REQUEST, NOW)
ANOTHER = certificate_authority.CertificateAuthority(certificate_authority.generate(NOW))
DAY = timedelta(days=1)


def secret(issued: Issued) -> Object:
    """The Secret of a certificate."""
    data = {"tls.crt": issued.certificate, "tls.key": issued.key}
    return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}


@pytest.mark.parametrize(
    ("title", "kept", "trusted", "after", "expected"),
    [
        ("no certificate", None, AUTHORITY.public, 0 * DAY, True),
        ("a new certificate", secret(ISSUED), AUTHORITY.public, 0 * DAY, False),
        ("before two thirds of the lifetime", secret(ISSUED), AUTHORITY.public, 59 * DAY, False),
        ("after two thirds of the lifetime", secret(ISSUED), AUTHORITY.public, 61 * DAY, True),
        ("not valid yet", secret(ISSUED), AUTHORITY.public, -1 * DAY, True),
        ("signed by another authority", secret(ISSUED), ANOTHER.public, 0 * DAY, True),
        ("unreadable", {"data": {"tls.crt": "eA==", "tls.key": "eA=="}}, AUTHORITY.public, 0 * DAY, True),
        ("without a key", {"data": {"tls.crt": secret(ISSUED)["data"]["tls.crt"]}}, AUTHORITY.public, 0 * DAY, True),
    ],
)
def test_due(title: str, kept: Object | None, trusted: Authority, after: timedelta, expected: bool) -> None:
    """A certificate is due if missing, unreadable, wrongly signed or near the end."""
    objects = {SECRET: kept} if kept else {}
    seen = Observed(NOW + after, objects=objects, authority=trusted)
    assert certificates.due(REQUEST, seen) is expected, title


def test_due_for_other_names_and_identities() -> None:
    """A certificate is due if the names or the identity change."""
    other = replace(REQUEST, hosts=("users-database.elsewhere.svc",))
    seen = Observed(NOW, objects={SECRET: secret(ISSUED)}, authority=AUTHORITY.public)
    assert certificates.due(other, seen)
    assert certificates.due(replace(REQUEST, identity="spiffe://cluster.local/ns/shop/sa/users"), seen)


@pytest.mark.parametrize("namespace", ["shop", "com"])
def test_names_end_in_svc(namespace: str) -> None:
    """A certificate has the Service's names with `.svc` alone: no name of a namespace is one of the internet."""
    subject = service("google", namespace, database=DATABASE, grpc={"tls": "Mutual"})
    platform = replace(PLATFORM, cluster_domain="example.internal")
    requested = certificates.requests(Case(subject, observed(platform=platform)))
    assert [request.hosts for request in requested] == [
        (
            f"google-database.{namespace}.svc",
            f"google-database.{namespace}.svc.example.internal",
            f"*.google-database-nodes.{namespace}.svc",
        ),
        (f"google.{namespace}.svc", f"google.{namespace}.svc.example.internal"),
    ]


def test_certificate_with_short_names_is_due() -> None:
    """A certificate with another set of names, such as the short names of an earlier version, is issued again."""
    short = AUTHORITY.issue(replace(REQUEST, hosts=(*REQUEST.hosts, "users-database")), NOW)
    assert certificates.due(REQUEST, Observed(NOW, objects={SECRET: secret(short)}, authority=AUTHORITY.public))


def test_second_authority_changes_only_trust() -> None:
    """A second trusted authority changes ca.crt in all Secrets, and nothing else."""
    subject = service(database=DATABASE)
    seen = settled(subject, observed())
    both = Authority(AUTHORITY.public.trusted + ANOTHER.public.trusted, AUTHORITY.public.signers)

    before = objects_of(reconcile(subject, seen))
    after = objects_of(reconcile(subject, replace(seen, authority=both)))

    changed = {ref.name for ref in after if after[ref] != before[ref]}
    assert changed == {"users-database", "users-database-owner", "users-database-tls"}
    assert {ref.kind for ref in after if after[ref] != before[ref]} == {"Secret"}
    certificate, renewed = before[SECRET]["data"], after[SECRET]["data"]
    assert {key for key in renewed if renewed[key] != certificate[key]} == {"ca.crt"}
