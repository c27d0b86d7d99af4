"""The settings of the service, read from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from users.errors import SettingsError

LONGEST_CALL = 5.0
"""The maximum duration of a call in seconds without a latency budget."""


@dataclass(frozen=True)
class Settings:
    """The ports, the database and the limits of the server."""

    database_url: str = field(repr=False)  # contains the password
    grpc_port: int
    health_port: int | None
    """The port for health checks in plaintext, if any."""
    tls_directory: Path | None
    """The folder with certificates and the list of clients; without one, the server uses plaintext."""
    longest_call: float
    """The maximum duration of a call in seconds, independent of the client's deadline."""


def database_url(environment: Mapping[str, str]) -> str:
    """Return the connection URI of the service's own database.

    Contains a password, which must not be logged.
    """
    url = environment.get("DATABASE_URL", "")
    try:
        well_formed = url.startswith(("postgresql://", "postgres://")) and bool(conninfo_to_dict(url))
    except ProgrammingError:  # the error text may contain parts of the password
        well_formed = False
    if not well_formed:
        raise SettingsError("DATABASE_URL must be set, like postgresql://user:password@host:5432/users")
    return url


def settings(environment: Mapping[str, str]) -> Settings:
    """Read the environment; raise SettingsError for a missing or invalid setting."""
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
