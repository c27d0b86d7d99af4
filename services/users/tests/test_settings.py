"""What the environment may say."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from users.errors import SettingsError
from users.settings import settings

URL = "postgresql://user:secret@host:5432/users"


def test_the_port_has_a_default() -> None:
    assert settings({"DATABASE_URL": URL}).grpc_port == 50051


def test_the_database_may_be_one_that_speaks_tls() -> None:
    url = f"{URL}?sslmode=verify-full&sslrootcert=/bindings/database/ca.crt"

    assert settings({"DATABASE_URL": url}).database_url == url
    assert conninfo_to_dict(url)["sslrootcert"] == "/bindings/database/ca.crt"


def test_all_is_plaintext_unless_tls_is_asked_for() -> None:
    plain = settings({"DATABASE_URL": URL, "GRPC_TLS_DIR": "/identity"})  # it may be there to consume with
    mutual = settings(
        {
            "DATABASE_URL": URL,
            "GRPC_TLS": "Mutual",
            "GRPC_TLS_DIR": "/identity",
            "GRPC_HEALTH_PORT": "50052",
        }
    )

    assert (plain.tls_directory, plain.health_port) == (None, None)
    assert (mutual.tls_directory, mutual.health_port) == (Path("/identity"), 50052)


def test_a_call_may_take_its_latency_budget_and_five_seconds_without_one() -> None:
    assert settings({"DATABASE_URL": URL}).longest_call == 5
    assert settings({"DATABASE_URL": URL, "LATENCY_BUDGET_MS": "250"}).longest_call == 0.25


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(settings({"DATABASE_URL": URL}))


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, "DATABASE_URL must be set, like postgresql://"),
        ({"DATABASE_URL": "mysql://host/users"}, "DATABASE_URL must be set, like postgresql://"),
        (
            {"DATABASE_URL": "postgresql://user:sec%ret@host/users"},
            "DATABASE_URL must be set, like postgresql://",
        ),
        (
            {"DATABASE_URL": URL, "GRPC_PORT": "grpc"},
            "GRPC_PORT must be a number from 1 to 65535; it is 'grpc'",
        ),
        (
            {"DATABASE_URL": URL, "GRPC_HEALTH_PORT": ""},
            "GRPC_HEALTH_PORT must be a number from 1 to 65535; it is ''",
        ),
        (
            {"DATABASE_URL": URL, "GRPC_TLS": "mutual", "GRPC_TLS_DIR": "/identity"},
            "GRPC_TLS must be Mutual, or not set at all for plaintext; it is 'mutual'",
        ),
        (
            {"DATABASE_URL": URL, "GRPC_TLS": "Mutual"},
            "GRPC_TLS_DIR must be set where GRPC_TLS is: a directory",
        ),
        (
            {"DATABASE_URL": URL, "LATENCY_BUDGET_MS": "0"},
            "LATENCY_BUDGET_MS must be a number of milliseconds from 1 on; it is '0'",
        ),
        (
            {"DATABASE_URL": URL, "LATENCY_BUDGET_MS": "250ms"},
            "LATENCY_BUDGET_MS must be a number of milliseconds from 1 on; it is '250ms'",
        ),
        ({"DATABASE_URL": URL, "GRPC_PORT": "0"}, "GRPC_PORT must be a number from 1 to 65535; it is '0'"),
    ],
)
def test_what_is_missing_is_named(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as problem:
        settings(environment)

    assert str(problem.value).startswith(sentence)
    assert "sec%ret" not in str(problem.value)
