"""What the environment may say."""

from __future__ import annotations

import pytest

from example_service.errors import SettingsError
from example_service.settings import Settings, settings

URL = "postgresql://user:secret@host:5432/app"


def test_what_is_not_set_has_a_default() -> None:
    assert settings({"DATABASE_URL": URL}) == Settings(URL, 50051, 5)


def test_a_call_may_take_its_latency_budget() -> None:
    assert settings({"DATABASE_URL": URL, "LATENCY_BUDGET_MS": "250"}).longest_call == 0.25


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(settings({"DATABASE_URL": URL}))


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, "DATABASE_URL must be set, like postgresql://"),
        ({"DATABASE_URL": "postgresql://user:sec%ret@host/app"}, "DATABASE_URL must be set"),
        ({"DATABASE_URL": URL, "GRPC_PORT": "0"}, "GRPC_PORT must be a number from 1 to 65535; it is '0'"),
        ({"DATABASE_URL": URL, "LATENCY_BUDGET_MS": "250ms"}, "LATENCY_BUDGET_MS must be a number from 1"),
        ({"DATABASE_URL": URL, "GRPC_TLS": "Mutual"}, "GRPC_TLS is set, but this service speaks plaintext"),
    ],
)
def test_what_cannot_be_used_is_named(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as problem:
        settings(environment)

    assert str(problem.value).startswith(sentence)
    assert "sec%ret" not in str(problem.value)
