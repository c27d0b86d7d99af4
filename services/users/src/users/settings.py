"""What the environment tells this service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from users.errors import SettingsError

LONGEST_CALL = 5.0
"""Seconds that a call may take where no latency budget is set."""


@dataclass(frozen=True)
class Settings:
    """How the server is reached, and where it stores."""

    database_url: str = field(repr=False)  # it holds the password
    grpc_port: int
    health_port: int | None
    """Where health alone is served, always in plaintext."""
    tls_directory: Path | None
    """Where the certificates are, and who may call; all is plaintext without it."""
    longest_call: float
    """Seconds that a call may take, however much time its caller gives."""


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
    health_port = environment.get("GRPC_HEALTH_PORT")
    return Settings(
        database_url=database_url(environment),
        grpc_port=_port("GRPC_PORT", environment.get("GRPC_PORT", "50051")),
        health_port=None if health_port is None else _port("GRPC_HEALTH_PORT", health_port),
        tls_directory=_tls_directory(environment),
        longest_call=_longest_call(environment.get("LATENCY_BUDGET_MS")),
    )


def _port(name: str, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise SettingsError(f"{name} must be a number from 1 to 65535; it is {text!r}")
    return int(text)


def _longest_call(budget: str | None) -> float:
    if budget is None:
        return LONGEST_CALL
    if not budget.isdecimal() or int(budget) == 0:
        raise SettingsError(f"LATENCY_BUDGET_MS must be a number of milliseconds from 1 on; it is {budget!r}")
    return int(budget) / 1000


def _tls_directory(environment: Mapping[str, str]) -> Path | None:
    wanted = environment.get("GRPC_TLS")
    if wanted is None:
        return None
    if wanted != "Mutual":
        raise SettingsError(f"GRPC_TLS must be Mutual, or not set at all for plaintext; it is {wanted!r}")
    directory = environment.get("GRPC_TLS_DIR", "")
    if not directory:
        raise SettingsError(
            "GRPC_TLS_DIR must be set where GRPC_TLS is: a directory of tls.crt, tls.key, ca.crt and clients"
        )
    return Path(directory)
