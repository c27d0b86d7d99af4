"""Tests of the settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from users.errors import SettingsError
from users.settings import settings

URL = "postgresql://user:secret@host:5432/users"


def test_port_default() -> None:
    """The default port is 50051."""
    assert settings({"DATABASE_URL": URL}).grpc_port == 50051


def test_database_url_with_tls() -> None:
    """TLS parameters in the database URL are kept."""
    url = f"{URL}?sslmode=verify-full&sslrootcert=/bindings/database/ca.crt"

    assert settings({"DATABASE_URL": url}).database_url == url
    assert conninfo_to_dict(url)["sslrootcert"] == "/bindings/database/ca.crt"


def test_tls_settings() -> None:
    """The server uses plaintext unless GRPC_TLS is set."""
    plain = settings({"DATABASE_URL": URL, "GRPC_TLS_DIR": "/identity"})  # for calls to other services
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


def test_latency_budget() -> None:
    """The latency budget limits a call; the default is five seconds."""
    assert settings({"DATABASE_URL": URL}).longest_call == 5
    assert settings({"DATABASE_URL": URL, "LATENCY_BUDGET_MS": "250"}).longest_call == 0.25


def test_repr_without_password() -> None:
    """The text form of the settings has no password."""
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
def test_invalid_setting(environment: dict[str, str], sentence: str) -> None:
    """A missing or invalid setting is reported by name, without the password."""
    with pytest.raises(SettingsError) as problem:
        settings(environment)

    assert str(problem.value).startswith(sentence)
    assert "sec%ret" not in str(problem.value)
