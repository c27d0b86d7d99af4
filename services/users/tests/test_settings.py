"""What the environment may say."""

from __future__ import annotations

import pytest

from users.errors import SettingsError
from users.settings import settings

URL = "postgresql://user:secret@host:5432/users"


def test_the_port_has_a_default() -> None:
    assert settings({"DATABASE_URL": URL}).grpc_port == 50051


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
        ({"DATABASE_URL": URL, "GRPC_PORT": "0"}, "GRPC_PORT must be a number from 1 to 65535; it is '0'"),
    ],
)
def test_what_is_missing_is_named(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as problem:
        settings(environment)

    assert str(problem.value).startswith(sentence)
    assert "sec%ret" not in str(problem.value)
