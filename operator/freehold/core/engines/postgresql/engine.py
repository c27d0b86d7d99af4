"""PostgreSQL as an engine: the server's container, and the commands of a move.

The server starts by the entrypoint of its image, so official images work unchanged. At every start a script sets the
roles from the credentials, and only then the server is ready. A change of the script restarts the server; changed
credentials and a renewed certificate are loaded without a restart. Network connections use TLS 1.3. A standby starts
from a base backup.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from urllib.parse import quote

from freehold.api.v1alpha1.database import Database
from freehold.core.engines.base import Replica, Roles, Source
from freehold.core.engines.postgresql.constants import (
    DATABASE,
    PORT,
    ROLE_OWNER,
    ROLE_REPLICATOR,
    ROLE_SERVICE,
    SUPERUSER,
)
from freehold.core.model.resources import Object, Platform
from freehold.core.objects import pods

DATA = "/var/lib/postgresql/data"
CONFIGURATION = "/freehold"
SOURCES = ("start.sh", "commands.sh", "credentials.sh", "standby.sh", "volume.sh", "roles.sql", "pg_hba.conf")
DEFAULT_RESOURCES: Object = {"requests": {"cpu": "25m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}
RESERVED = 20
"""Connections beyond the service's: migrations, and an administrator in the pod."""
LOCK_TIMEOUT = ("canceling statement due to lock timeout", "55P03", "LockNotAvailable", "lock_not_available")
"""Signs of a lock timeout in the output of migration tools."""
IN_ROLLOUT = 2
"""The factor of the service's connections: in a rollout new pods connect before old pods end, and a new pod that gets
none is never ready."""
READY_FILE = "/tmp/roles-are-set"
UNBOUNDED = 2**31 - 1
"""The largest failureThreshold of a probe."""
MOUNTS = {
    "data": DATA,
    "configuration": CONFIGURATION,
    "credentials": "/credentials",
    "certificate": "/certificate",
    "run": "/var/run/postgresql",
    "tmp": "/tmp",
    "shared-memory": "/dev/shm",
}


ROLES = Roles(ROLE_SERVICE, ROLE_OWNER, ROLE_REPLICATOR, SUPERUSER)


@dataclass(frozen=True)
class PostgreSQL:
    """PostgreSQL, from official-style images."""

    name: str = "postgresql"
    title: str = "PostgreSQL"
    port: int = PORT
    user: int = 999
    database: str = DATABASE
    roles: Roles = ROLES
    unreachable: str = "postgresql://nobody@127.0.0.1:1/nowhere"
    exhausted: str = "too many connections for role|remaining connection slots are reserved"

    def files(self) -> Mapping[str, str]:
        return _files()

    def container(self, database: Database, platform: Platform, source: Source) -> Object:
        limits = database.limits
        connections = IN_ROLLOUT * limits.connections
        return pods.container(
            self.name,
            platform.postgresql_image.format(version=database.version),
            database.resources,
            DEFAULT_RESOURCES,
            command=["bash", f"{CONFIGURATION}/start.sh", "-c", f"max_connections={connections + RESERVED}"],
            env=[
                {"name": "PGDATA", "value": f"{DATA}/pgdata"},
                {"name": "POSTGRES_DB", "value": DATABASE},
                {"name": "POSTGRES_PASSWORD_FILE", "value": "/credentials/postgres"},
                {"name": "POSTGRES_INITDB_ARGS", "value": "--data-checksums --auth-host=scram-sha-256"},
                {"name": "CONNECTIONS", "value": str(connections)},
                {"name": "STATEMENT_TIMEOUT", "value": limits.statement_timeout},
                {"name": "IDLE_IN_TRANSACTION_TIMEOUT", "value": limits.idle_in_transaction_timeout},
                *([{"name": "PRIMARY_HOST", "value": source.host}] if isinstance(source, Replica) else []),
            ],
            ports=[{"name": self.name, "containerPort": PORT, "protocol": "TCP"}],
            volumeMounts=[{"name": name, "mountPath": path} for name, path in MOUNTS.items()],
            **_probes(),
        )

    def scratch(self) -> list[Object]:
        return [
            {"name": "run", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "128Mi"}},
        ]

    def uri(self, role: str, password: str, host: str, authorities: str) -> str:
        """Implement `Engine.uri` by the parameters of libpq ('SSL Support')."""
        address = f"{role}:{quote(password, safe='')}@{host}:{PORT}/{DATABASE}"
        return f"postgresql://{address}?sslmode=verify-full&sslrootcert={authorities}"

    def switchover(self, primary: str, candidate: str) -> list[str]:
        return ["python3", "-m", "freehold.agents.postgresql.switchover", primary, candidate]

    def is_lock_timeout(self, log: str) -> bool:
        """Implement `Engine.is_lock_timeout` by the server's message, or the SQLSTATE ('PostgreSQL Error Codes')."""
        return any(sign in log for sign in LOCK_TIMEOUT)

    def proxy(self, hosts: list[str]) -> list[str]:
        return ["python3", "-m", "freehold.agents.postgresql.proxy", *hosts]


@cache
def _files() -> Mapping[str, str]:
    return {name: files("freehold.core.engines.postgresql").joinpath(name).read_text() for name in SOURCES}


def _probes() -> Object:
    """Return the probes. The startup probe runs each second, for a quick start; the other probes start no process.

    A start includes base backups, pg_rewind and crash recovery, so no probe ends one: until the startup probe succeeds,
    the pod is not Ready, and the liveness probe does not run. start.sh ends a copy that makes no progress.
    """
    listening = {"tcpSocket": {"port": "postgresql"}}
    return {
        "startupProbe": {
            "exec": {"command": ["test", "-f", READY_FILE]},
            "periodSeconds": 1,
            "failureThreshold": UNBOUNDED,
        },
        "readinessProbe": {**listening, "periodSeconds": 5},
        "livenessProbe": {**listening, "periodSeconds": 10, "failureThreshold": 6},
    }
