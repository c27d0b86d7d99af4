"""Servers: how a PostgreSQL server of a service's is made, on whichever seat it stands.

The server starts by its image's own entrypoint, so that official images work unchanged. A script beside it brings the
roles to what the credentials say each time the server starts; the server is ready only once that is done. A change of
the credentials or of that script restarts the server, and nothing else has to be remembered. Over the network it speaks
TLS 1.3 alone, and takes up a renewed certificate as it runs. One that is to follow another makes itself from it.
"""

from __future__ import annotations

from importlib.resources import files

from freehold.api.v1alpha1.database import Database
from freehold.core.model.resources import Object, Observed
from freehold.core.objects import names, pods

USER = 999
"""The id of user postgres in the official image; the volume belongs to its group."""
DATA = "/var/lib/postgresql/data"
CONFIGURATION = "/freehold"
SOURCES = ("start.sh", "roles.sql", "pg_hba.conf")
USUAL: Object = {"requests": {"cpu": "25m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}
RESERVED = 20
"""Connections beside the service's own: migrations, and an administrator from inside the pod."""
ROLES_ARE_SET = "/tmp/roles-are-set"


def sources() -> dict[str, str]:
    """The server's start script and access rules, by their file names."""
    return {name: files("freehold.core.engines.postgresql").joinpath(name).read_text() for name in SOURCES}


def _container(database: Database, observed: Observed, follows: str) -> Object:
    limits = database.limits
    mounts = {
        "data": DATA,
        "configuration": CONFIGURATION,
        "credentials": "/credentials",
        "certificate": "/certificate",
        "run": "/var/run/postgresql",
        "tmp": "/tmp",
        "shared-memory": "/dev/shm",
    }
    return pods.container(
        "postgresql",
        observed.platform.postgresql_image.format(version=database.version),
        database.resources,
        USUAL,
        command=["bash", f"{CONFIGURATION}/start.sh", "-c", f"max_connections={limits.connections + RESERVED}"],
        env=[
            {"name": "PGDATA", "value": f"{DATA}/pgdata"},
            {"name": "POSTGRES_DB", "value": names.DATABASE},
            {"name": "POSTGRES_PASSWORD_FILE", "value": "/credentials/postgres"},
            {"name": "POSTGRES_INITDB_ARGS", "value": "--data-checksums --auth-host=scram-sha-256"},
            {"name": "CONNECTIONS", "value": str(limits.connections)},
            {"name": "STATEMENT_TIMEOUT", "value": limits.statement_timeout},
            {"name": "IDLE_IN_TRANSACTION_TIMEOUT", "value": limits.idle_in_transaction_timeout},
            *([{"name": "FOLLOW", "value": follows.partition("@")[0]}] if follows else []),
        ],
        ports=[{"name": "postgresql", "containerPort": names.PORT_POSTGRESQL, "protocol": "TCP"}],
        volumeMounts=[{"name": name, "mountPath": path} for name, path in mounts.items()],
        **_probes(),
    )


def _probes() -> Object:
    """Starting is asked every second, for the first answer to be quick; what comes later costs no process."""
    listens = {"tcpSocket": {"port": "postgresql"}}
    return {
        "startupProbe": {
            "exec": {"command": ["test", "-f", ROLES_ARE_SET]},
            "periodSeconds": 1,
            "failureThreshold": 600,
        },
        "readinessProbe": {**listens, "periodSeconds": 5},
        "livenessProbe": {**listens, "periodSeconds": 10, "failureThreshold": 6},
    }
