"""Certificates stay as long as they are right, and are replaced long before they end."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import pytest
from freehold.core import certificates
from freehold.core.certificates.plan import Request
from freehold.core.model.resources import Authority, Issued, Object, Observed, Ref
from freehold.core.objects import meta
from freehold.kube import certificate_authority

from tests.unit.core.worlds import AUTHORITY, DATABASE, NOW, objects_of, observed, reconcile, service, settled

REQUEST = Request("users-database-tls", meta.DATABASE, ("users-database.shop.svc",))
SECRET = Ref("Secret", REQUEST.secret)
ISSUED = AUTHORITY.issue(REQUEST, NOW)
ANOTHER = certificate_authority.CertificateAuthority(certificate_authority.generate(NOW))
DAY = timedelta(days=1)


def secret(issued: Issued) -> Object:
    data = {"tls.crt": issued.certificate, "tls.key": issued.key}
    return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}


@pytest.mark.parametrize(
    ("says", "kept", "trusted", "after", "expected"),
    [
        ("there is none", None, AUTHORITY.public, 0 * DAY, True),
        ("it is new", secret(ISSUED), AUTHORITY.public, 0 * DAY, False),
        ("two thirds of its life are not over", secret(ISSUED), AUTHORITY.public, 59 * DAY, False),
        ("two thirds of its life are over", secret(ISSUED), AUTHORITY.public, 61 * DAY, True),
        ("it is not valid yet", secret(ISSUED), AUTHORITY.public, -1 * DAY, True),
        ("another authority signed it", secret(ISSUED), ANOTHER.public, 0 * DAY, True),
        ("it cannot be read", {"data": {"tls.crt": "eA==", "tls.key": "eA=="}}, AUTHORITY.public, 0 * DAY, True),
        ("its key is gone", {"data": {"tls.crt": secret(ISSUED)["data"]["tls.crt"]}}, AUTHORITY.public, 0 * DAY, True),
    ],
)
def test_it_is_issued_when(
    says: str, kept: Object | None, trusted: Authority, after: timedelta, expected: bool
) -> None:
    objects = {SECRET: kept} if kept else {}
    seen = Observed(NOW + after, objects=objects, authority=trusted)
    assert certificates.due(REQUEST, seen) is expected, says


def test_it_is_issued_for_other_names_and_identities() -> None:
    other = replace(REQUEST, hosts=("users-database.elsewhere.svc",))
    seen = Observed(NOW, objects={SECRET: secret(ISSUED)}, authority=AUTHORITY.public)
    assert certificates.due(other, seen)
    assert certificates.due(replace(REQUEST, identity="spiffe://cluster.local/ns/shop/sa/users"), seen)


def test_a_renewed_authority_is_trusted_everywhere_while_nothing_else_changes() -> None:
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
