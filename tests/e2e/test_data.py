"""Data outlives the Microservice, unless deletionPolicy is Delete."""

from __future__ import annotations

import base64

from tests.e2e.support.cluster import Space
from tests.e2e.support.microservices import database, users

INSERT = "insert into users (name, email) values ('Ada', 'ada@example.org')"
EMAILS = "select email from users"
SECRETS = ("secret/users-database", "secret/users-database-owner", "secret/users-database-server")
AS_THE_SERVICE = """
import os, psycopg
print(psycopg.connect(os.environ["DATABASE_URL"]).execute("select email from users").fetchone()[0])
"""


def test_data_retained(yard: Space) -> None:
    """With Retain, volume and credentials outlive the resource, and a new resource of the same name uses both."""
    _fresh(yard)
    before = _password(yard)

    yard.delete("microservice/users")
    yard.gone("pod/users-database-0")
    yard.gone("deployment/users")
    assert yard.exists("pvc/users-database-data")
    assert all(yard.exists(secret) for secret in SECRETS)

    yard.apply(users())
    yard.until_ready("users")
    assert yard.psql("users", EMAILS) == "ada@example.org"
    assert _password(yard) == before
    assert _asked_by_the_service(yard) == "ada@example.org"


def test_data_new_credentials(yard: Space) -> None:
    """A service whose retained Secrets were deleted gets new credentials for the retained data.

    Continues with the data of the test before.
    """
    before = _password(yard)
    yard.delete("microservice/users")
    yard.gone("pod/users-database-0")
    yard.delete(*SECRETS)

    yard.apply(users())
    yard.until_ready("users")
    assert _password(yard) != before
    assert yard.psql("users", EMAILS) == "ada@example.org"
    assert _asked_by_the_service(yard) == "ada@example.org"
    yard.delete("microservice/users")
    yard.gone("pod/users-database-0")
    yard.delete("pvc/users-database-data")


def test_data_deleted(yard: Space) -> None:
    """With Delete, volume and credentials are deleted with the resource."""
    yard.apply(users("brief", database=database("users", deletionPolicy="Delete")))
    yard.until_ready("brief")
    volume = yard.get("pvc/brief-database-data")["spec"]["volumeName"]

    yard.delete("microservice/brief")

    for what in ("pod/brief-database-0", "pvc/brief-database-data", f"persistentvolume/{volume}"):
        yard.gone(what)
    for secret in SECRETS:
        yard.gone(secret.replace("users", "brief"))


def test_data_policy_changed(yard: Space) -> None:
    """A change of the policy from Delete to Retain applies to existing data."""
    yard.apply(users("kept", database=database("users", deletionPolicy="Delete")))
    yard.until_ready("kept")
    yard.spec("kept", database={"deletionPolicy": "Retain"})
    yard.until("pvc/kept-database-data", lambda claim: not claim["metadata"].get("ownerReferences"), within=15)
    yard.until("secret/kept-database", lambda secret: not secret["metadata"].get("ownerReferences"), within=15)

    yard.delete("microservice/kept")
    yard.gone("pod/kept-database-0")

    assert yard.get("pvc/kept-database-data")["status"]["phase"] == "Bound"
    assert yard.exists("secret/kept-database-server")


def _fresh(yard: Space) -> None:
    yard.apply(users())
    yard.until_ready("users")
    yard.psql("users", INSERT)


def _password(yard: Space) -> str:
    return base64.b64decode(yard.get("secret/users-database")["data"]["password"]).decode()


def _asked_by_the_service(yard: Space) -> str:
    inside = ("exec", "deployment/users", "--", "/opt/users/bin/python", "-c", AS_THE_SERVICE)
    return yard.kubectl(*inside).strip()
