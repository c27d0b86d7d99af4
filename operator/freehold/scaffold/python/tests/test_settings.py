"""Tests of the settings."""

from __future__ import annotations

import pytest

from example_service.errors import SettingsError
from example_service.settings import Settings, settings

URL = "postgresql://user:secret@host:5432/app"


def test_defaults() -> None:
    """Settings that are not in the environment have defaults."""
    assert settings({"DATABASE_URL": URL}) == Settings(URL, 50051, 5)


def test_latency_budget() -> None:
    """The latency budget limits a call."""
    assert settings({"DATABASE_URL": URL, "LATENCY_BUDGET_MS": "250"}).longest_call == 0.25


def test_repr_without_password() -> None:
    """The text form of the settings has no password."""
    assert "secret" not in repr(settings({"DATABASE_URL": URL}))


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, "DATABASE_URL must be set, like postgresql://"),
        ({"DATABASE_URL": "postgresql://user:sec%ret@host/app"}, "DATABASE_URL must be set"),
        ({"DATABASE_URL": URL, "GRPC_PORT": "0"}, "GRPC_PORT must be a number from 1 to 65535; it is '0'"),
        ({"DATABASE_URL": URL, "LATENCY_BUDGET_MS": "250ms"}, "LATENCY_BUDGET_MS must be a number from 1"),
        ({"DATABASE_URL": URL, "GRPC_TLS": "Mutual"}, "GRPC_TLS is set, but this service supports plaintext"),
    ],
)
def test_invalid_setting(environment: dict[str, str], sentence: str) -> None:
    """A missing or invalid setting is reported by name, without the password."""
    with pytest.raises(SettingsError) as problem:
        settings(environment)

    assert str(problem.value).startswith(sentence)
    assert "sec%ret" not in str(problem.value)
