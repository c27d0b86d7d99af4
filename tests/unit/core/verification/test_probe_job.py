"""Probe Jobs: the ports that a probe tries, and the answers that count."""

from __future__ import annotations

import jsonschema
import pytest
from freehold.api import crd
from freehold.core.model.resources import Key

from tests.unit.core.verification.test_plan import ADDRESSES, plan_of, probed, ready
from tests.unit.core.worlds import peer, peers, service


def test_probe_names_no_stranger() -> None:
    """The arguments, which anybody in the namespace may read, have no services of strangers."""
    consumer, stranger = Key("sales", "reports"), Key("secret", "ledger")
    addresses = {**ADDRESSES, consumer: ("reports.sales.svc:50051",), stranger: ("ledger.secret.svc:50051",)}
    open_to_all = service("payments", grpc={"consumers": {"from": "All"}})
    known = peers(peer(consumer.name, consumer.namespace, Key("shop", "payments")))
    probe = str(plan_of(ready(open_to_all, peers=known, addresses=addresses), open_to_all).objects)
    assert "--closed=reports.sales.svc:50051" in probe
    assert "--closed=storefront.shop.svc:8080" in probe
    assert "ledger" not in probe


@pytest.mark.parametrize(
    "answer",
    [
        {"tried": "many", "differences": []},
        {"tried": -1, "differences": []},
        {"tried": 4, "differences": [["users.shop.svc:50051"]]},
        {"tried": 4, "differences": [["users.shop.svc:50051", "Ajar"]]},
        {"tried": 4, "differences": [["u" * 301, "Open"]]},
        {"tried": 4, "differences": {"a": 1}},
        [],
    ],
)
def test_malformed_answer_is_no_result(answer: object) -> None:
    """A termination message of another form is no result, and the status stays writable."""
    assert "isolation" not in plan_of(probed(ready(), answer)).status


def test_many_differences_fit_the_status() -> None:
    """No more differences reach the status than the CRD admits."""
    answer = {"tried": 200, "differences": [[f"s{number}.shop.svc:50051", "Open"] for number in range(200)]}
    verification = plan_of(probed(ready(), answer)).status["isolation"]
    jsonschema.validate(verification, crd.openapi_schema()["properties"]["status"]["properties"]["isolation"])
