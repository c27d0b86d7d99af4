"""The shop: a person registers and pays over gRPC, two servers hold a row each, and a wall stands between."""

from __future__ import annotations

from tests.e2e.support.cluster import Space
from tests.e2e.support.connection_attempts import Target, reached
from tests.e2e.support.storefront_client import Storefront

SERVER = "select system_identifier from pg_control_system()"
CREATE_A_TABLE = """
import os, psycopg
psycopg.connect(os.environ["DATABASE_URL"]).execute("create table mine (id int)")
"""


def test_a_person_registers_and_pays_and_each_server_keeps_its_own_rows(shop: Space, storefront: Storefront) -> None:
    email, person = storefront.purchase()

    assert shop.psql("users", f"select id from users where email = '{email}'") == person
    paid = shop.psql("payments", f"select currency, minor_units from payments where user_id = '{person}'")
    assert paid == "EUR|1250"
    assert shop.psql("users", SERVER) != shop.psql("payments", SERVER)
    assert shop.psql("users", "select to_regclass('payments') is null") == "t"
    assert shop.psql("payments", "select to_regclass('users') is null") == "t"


def test_the_page_is_served(storefront: Storefront) -> None:
    page = storefront.get("/")

    assert page.status == 200
    assert "<form" in page.body


def test_a_payment_of_nobody_is_refused_with_a_sentence(storefront: Storefront) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    answer = storefront.post("/api/payments", {"userId": nobody, "amount": "1.00", "currency": "EUR"})

    assert answer.status == 404
    assert nobody in str(answer.body)


def test_the_storefront_cannot_reach_the_database_of_users(shop: Space) -> None:
    server = Target("users-database", shop.pods("users", "database")[0]["status"]["podIP"], 5432)

    assert reached(shop, shop.pods("users")[0]["metadata"]["name"], [server]) == {server}
    assert reached(shop, shop.pods("storefront")[0]["metadata"]["name"], [server]) == set()


def test_a_service_changes_rows_and_no_table(shop: Space) -> None:
    inside = ("exec", "deployment/users", "--", "/opt/users/bin/python", "-c", CREATE_A_TABLE)
    done = shop.cluster.tried("-n", shop.name, *inside)

    assert done.returncode != 0
    assert "permission denied for schema public" in done.stderr


def test_a_table_answers_is_it_well_and_where_is_it_reached(shop: Space) -> None:
    header, *rows = shop.kubectl("get", "msvc").splitlines()

    assert [row.split()[:2] for row in rows] == [["payments", "True"], ["storefront", "True"], ["users", "True"]]
    assert f"users.{shop.name}.svc:50051" in rows[2]
    assert header.split()[:2] == ["NAME", "READY"]
    assert len(header) <= 120
