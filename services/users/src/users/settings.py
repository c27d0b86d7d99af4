"""What the environment tells this service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from users.errors import SettingsError


@dataclass(frozen=True)
class Settings:
    """How the server is reached, and where it stores."""

    database_url: str = field(repr=False)  # it holds the password
    grpc_port: int


def database_url(environment: Mapping[str, str]) -> str:
    """The connection URI of the service's own database. It holds a password: never log it."""
    url = environment.get("DATABASE_URL", "")
    try:
        well_formed = url.startswith(("postgresql://", "postgres://")) and bool(conninfo_to_dict(url))
    except ProgrammingError:  # its text may quote a part of the password
        well_formed = False
    if not well_formed:
        raise SettingsError("DATABASE_URL must be set, like postgresql://user:password@host:5432/users")
    return url


def settings(environment: Mapping[str, str]) -> Settings:
    """Reads the environment. Raises SettingsError with a sentence that says what to set."""
    return Settings(database_url=database_url(environment), grpc_port=_port(environment))


def _port(environment: Mapping[str, str]) -> int:
    text = environment.get("GRPC_PORT", "50051")
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise SettingsError(f"GRPC_PORT must be a number from 1 to 65535; it is {text!r}")
    return int(text)
