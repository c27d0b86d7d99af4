"""What the environment tells this service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from .errors import SettingsError

LONGEST_CALL_MS = 5000
"""What a call may take where no latency budget is set."""


@dataclass(frozen=True)
class Settings:
    """How the server is reached, where it stores, and how long a call may take."""

    database_url: str = field(repr=False)  # it holds the password
    grpc_port: int
    longest_call: float
    """Seconds, however much time the caller gives."""


def settings(environment: Mapping[str, str]) -> Settings:
    """Reads the environment. Raises SettingsError with a sentence that says what to set."""
    if environment.get("GRPC_TLS"):
        raise SettingsError(
            "GRPC_TLS is set, but this service speaks plaintext alone; "
            "README.md says what mutual TLS takes, and until then spec.grpc.tls stays Plaintext"
        )
    return Settings(
        database_url=database_url(environment),
        grpc_port=_number(environment, "GRPC_PORT", 50051, 65535),
        longest_call=_number(environment, "LATENCY_BUDGET_MS", LONGEST_CALL_MS, 2**30) / 1000,
    )


def database_url(environment: Mapping[str, str]) -> str:
    """The connection URI of the service's own database. It holds a password: never log it."""
    url = environment.get("DATABASE_URL", "")
    try:
        well_formed = url.startswith(("postgresql://", "postgres://")) and bool(conninfo_to_dict(url))
    except ProgrammingError:  # its text may quote a part of the password
        well_formed = False
    if not well_formed:
        raise SettingsError("DATABASE_URL must be set, like postgresql://user:password@host:5432/database")
    return url


def _number(environment: Mapping[str, str], name: str, otherwise: int, most: int) -> int:
    text = environment.get(name) or str(otherwise)
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= most:
        raise SettingsError(f"{name} must be a number from 1 to {most}; it is {text!r}")
    return int(text)
