"""The settings of the service, read from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from .errors import SettingsError

LONGEST_CALL_MS = 5000
"""The maximum duration of a call in milliseconds without a latency budget."""


@dataclass(frozen=True)
class Settings:
    """The port, the database and the limits of the server."""

    database_url: str = field(repr=False)  # contains the password
    grpc_port: int
    longest_call: float
    """The maximum duration of a call in seconds, independent of the client's deadline."""


def settings(environment: Mapping[str, str]) -> Settings:
    """Read the environment; raise SettingsError for a missing or invalid setting."""
    if environment.get("GRPC_TLS"):
        raise SettingsError(
            "GRPC_TLS is set, but this service supports plaintext only; "
            "see README.md for the steps to mutual TLS, and keep spec.grpc.tls: Plaintext until then"
        )
    return Settings(
        database_url=database_url(environment),
        grpc_port=_number(environment, "GRPC_PORT", 50051, 65535),
        longest_call=_number(environment, "LATENCY_BUDGET_MS", LONGEST_CALL_MS, 2**30) / 1000,
    )


def database_url(environment: Mapping[str, str]) -> str:
    """Return the connection URI of the service's own database; contains a password, which must not be logged."""
    url = environment.get("DATABASE_URL", "")
    try:
        well_formed = url.startswith(("postgresql://", "postgres://")) and bool(conninfo_to_dict(url))
    except ProgrammingError:  # the error text may contain parts of the password
        well_formed = False
    if not well_formed:
        raise SettingsError("DATABASE_URL must be set, like postgresql://user:password@host:5432/database")
    return url


def _number(environment: Mapping[str, str], name: str, otherwise: int, most: int) -> int:
    text = environment.get(name) or str(otherwise)
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= most:
        raise SettingsError(f"{name} must be a number from 1 to {most}; it is {text!r}")
    return int(text)
