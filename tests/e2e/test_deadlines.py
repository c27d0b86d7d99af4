"""Deadlines and cancellations travel along a chain of calls: Node → Java → Go → Python → PostgreSQL.

The storefront settles an invoice: invoices calls payments to record the payment, and payments calls users for the
payer. A lock on the table of users makes the final query wait.
"""

from __future__ import annotations

import http.client
import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e.support.cluster import Space
from tests.e2e.support.microservices import front_end, invoices, payments, users
from tests.e2e.support.storefront_client import Storefront, forwarded

pytestmark = pytest.mark.alone

BUDGET_MS = 1500
PATIENT = "8s"
"""A budget so long that a call which ends sooner was cancelled; users receives about a quarter of the budget."""
CHAIN = {"invoices": "SettleInvoice", "payments": "MakePayment", "users": "GetUser"}
"""The called method of each service, in the order of the hops."""
WAITING = "select query from pg_stat_activity where wait_event_type = 'Lock'"
LOCK = "begin; lock table users in access exclusive mode; select 'locked';\n"


@pytest.fixture(scope="module")
def front(yard: Space) -> Iterator[Storefront]:
    consumed = [{"name": name} for name in ("users", "payments", "invoices")]
    yard.apply(users(), payments(), invoices(), front_end(consumes=consumed, latencyBudget=f"{BUDGET_MS}ms"))
    yard.until_ready("users", "payments", "invoices", "storefront")
    with forwarded(yard) as front:
        for path in ("/api/users", "/api/payments", "/api/invoices"):
            front.until(path, 200)
        # After one complete call, each service of the chain has a connection to the next.
        settled = front.post_patiently(f"/api/invoices/{_issued(front)}/settle", {})
        assert settled.status == 200, settled
        yield front


@pytest.fixture
def invoice(front: Storefront) -> int:
    """The number of an unpaid invoice."""
    return _issued(front)


def _issued(front: Storefront) -> int:
    word = uuid.uuid4().hex
    person = front.post("/api/users", {"name": "Ada", "email": f"{word}@example.org"}).body["user"]["id"]
    order = {"userId": person, "amount": "12.50", "currency": "EUR", "idempotencyKey": word}
    issued = front.post_patiently("/api/invoices", order)
    assert issued.status == 201, issued
    return int(issued.body["invoice"]["number"])


def test_deadlines_across_languages(yard: Space, front: Storefront, invoice: int) -> None:
    """Each hop of a call through four languages receives a shorter deadline than the hop before."""
    since = datetime.now(UTC)
    with _locked(yard):
        started = time.monotonic()
        answer = front.post(f"/api/invoices/{invoice}/settle", {})
        elapsed = time.monotonic() - started
        _until_nobody_waits(yard, within=2)

    assert answer.status == 503, answer
    assert elapsed < 2 * BUDGET_MS / 1000, f"the storefront answered after {elapsed:.2f} s"
    calls = {service: _call(yard, service, since) for service in CHAIN}
    assert all(call["code"] != "OK" for call in calls.values()), f"the lock held nobody up: {calls}"
    left = [calls[service]["deadlineMs"] for service in CHAIN]
    assert BUDGET_MS >= left[0] > left[1] > left[2] > 0, calls
    assert front.post(f"/api/invoices/{invoice}/settle", {}).status == 200
    assert yard.psql("payments", f"select count(*) from payments where idempotency_key = 'invoice-{invoice}'") == "1"


def test_deadlines_cancellation(yard: Space, invoice: int) -> None:
    """A call that its client cancels is cancelled at every hop, down to the query in PostgreSQL."""
    yard.spec("storefront", latencyBudget=PATIENT)
    yard.until_ready("storefront")
    since = datetime.now(UTC)
    with _locked(yard), forwarded(yard) as front:
        connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=10)
        connection.request("POST", f"/api/invoices/{invoice}/settle", "{}", {"Content-Type": "application/json"})
        _until_somebody_waits(yard)
        connection.close()
        _until_nobody_waits(yard, within=3)

    calls = {service: _call(yard, service, since) for service in CHAIN}
    assert [calls[service]["code"] for service in CHAIN] == ["CANCELLED"] * 3, calls


@contextmanager
def _locked(space: Space) -> Iterator[None]:
    """Lock the table of users for the duration of the block."""
    psql = ("psql", "-h", "/var/run/postgresql", "-U", "postgres", "-Atq", "app")
    session = space.begun("exec", "-i", "users-database-0", "-c", "postgresql", "--", *psql)
    assert session.stdin and session.stdout
    try:
        session.stdin.write(LOCK)
        session.stdin.flush()
        assert session.stdout.readline().strip() == "locked"
        yield
    finally:
        session.stdin.close()
        session.wait(10)


def _until_somebody_waits(space: Space) -> None:
    _until(space, bool, 5, "no query waits for the lock")


def _until_nobody_waits(space: Space, within: float) -> None:
    _until(space, lambda waiting: not waiting, within, "queries still wait for the lock")


def _until(space: Space, holds: Callable[[str], bool], within: float, otherwise: str) -> None:
    """Poll the queries that wait for a lock, as PostgreSQL has no event for them."""
    deadline = time.monotonic() + within
    while not holds(waiting := space.psql("users", WAITING)):
        assert time.monotonic() < deadline, f"{otherwise} after {within:g} s: {waiting}"


def _call(space: Space, service: str, since: datetime) -> dict[str, Any]:
    """Return a service's last log line about a call of its method in the chain since a time."""
    moment = since.isoformat(timespec="seconds").replace("+00:00", "Z")
    lines = space.kubectl("logs", f"deployment/{service}", f"--since-time={moment}").splitlines()
    found = [json.loads(line) for line in lines if CHAIN[service] in line]
    assert found, f"{service} logged no call of {CHAIN[service]}: {lines}"
    return found[-1]
