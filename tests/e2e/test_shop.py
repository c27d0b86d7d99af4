"""The shop: a purchase over gRPC writes to two database servers, which network policies separate."""

from __future__ import annotations

from tests.e2e.support.cluster import Space
from tests.e2e.support.connection_attempts import Target, reached
from tests.e2e.support.storefront_client import Storefront

SERVER = "select system_identifier from pg_control_system()"
CREATE_A_TABLE = """
import os, psycopg
psycopg.connect(os.environ["DATABASE_URL"]).execute("create table mine (id int)")
"""


def test_shop_purchase(shop: Space, storefront: Storefront) -> None:
    """A purchase writes one row to each of two database servers."""
    email, person = storefront.purchase()

    assert shop.psql("users", f"select id from users where email = '{email}'") == person
    paid = shop.psql("payments", f"select currency, minor_units from payments where user_id = '{person}'")
    assert paid == "EUR|1250"
    assert shop.psql("users", SERVER) != shop.psql("payments", SERVER)
    assert shop.psql("users", "select to_regclass('payments') is null") == "t"
    assert shop.psql("payments", "select to_regclass('users') is null") == "t"


def test_shop_page(storefront: Storefront) -> None:
    """The storefront serves its page."""
    page = storefront.get("/")

    assert page.status == 200
    assert "<form" in page.body


def test_shop_unknown_payer(storefront: Storefront) -> None:
    """A payment of an unknown person is refused with the person's id."""
    nobody = "00000000-0000-4000-8000-000000000000"
    answer = storefront.post("/api/payments", {"userId": nobody, "amount": "1.00", "currency": "EUR"})

    assert answer.status == 404
    assert nobody in str(answer.body)


def test_shop_database_unreachable(shop: Space) -> None:
    """The database of users is reachable from users and not from the storefront."""
    server = Target("users-database", shop.pods("users", "database")[0]["status"]["podIP"], 5432)

    assert reached(shop, shop.pods("users")[0]["metadata"]["name"], [server]) == {server}
    assert reached(shop, shop.pods("storefront")[0]["metadata"]["name"], [server]) == set()


def test_shop_no_schema_rights(shop: Space) -> None:
    """A service cannot create a table."""
    inside = ("exec", "deployment/users", "--", "/opt/users/bin/python", "-c", CREATE_A_TABLE)
    done = shop.cluster.tried("-n", shop.name, *inside)

    assert done.returncode != 0
    assert "permission denied for schema public" in done.stderr


def test_shop_kubectl_table(shop: Space) -> None:
    """`kubectl get msvc` prints readiness and endpoint of each service within 120 columns."""
    header, *rows = shop.kubectl("get", "msvc").splitlines()

    assert [row.split()[:2] for row in rows] == [["payments", "True"], ["storefront", "True"], ["users", "True"]]
    assert f"users.{shop.name}.svc:50051" in rows[2]
    assert header.split()[:2] == ["NAME", "READY"]
    assert len(header) <= 120
