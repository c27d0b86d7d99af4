"""Servers: how a PostgreSQL server of a service's is made, on whichever seat it stands.

The server starts by its image's own entrypoint, so that official images work unchanged. A script beside it brings the
roles to what the credentials say each time the server starts; the server is ready only once that is done. A change of
the credentials or of that script restarts the server, and nothing else has to be remembered. Over the network it speaks
TLS 1.3 alone, and takes up a renewed certificate as it runs. One that is to follow another makes itself from it.
"""

from __future__ import annotations

from importlib.resources import files

from freehold.api.database import Database
from freehold.core import meta, names, pods, seats, shadow
from freehold.core.model import Object, Observed, Ref, Service
from freehold.core.seat import Seat

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
    return {name: files("freehold.core").joinpath("postgresql", name).read_text() for name in SOURCES}


def server(
    service: Service, database: Database, observed: Observed, seat: Seat, capability: str, follows: str = ""
) -> Object:
    """The StatefulSet of a seat. Parallel management lets a corrected template replace a pod that never became ready.

    follows: `host@turn` of the server it is made from, and since when; one that has taken over still says so, for a
    change would restart it.
    """
    credentials = observed.objects[Ref("Secret", names.server_secret(service.name))].get("data")
    annotations = {meta.CONTENT: meta.digest(meta.digest(credentials), sources())}
    if follows := follows or seat.follows:
        annotations[meta.FOLLOWS] = follows
    nodes = _nodes(service, seat)
    return meta.build(
        service,
        "apps/v1",
        "StatefulSet",
        names.seat(service.name, seat.number),
        meta.labels(service, meta.DATABASE, capability, database.version),
        spec={
            "replicas": 1,
            "serviceName": names.database_nodes(service.name),
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": meta.selector(service.name, meta.DATABASE)},
            "template": pods.template(
                meta.pod_labels(service, meta.DATABASE, database.version),
                annotations,
                serviceAccountName=names.database(service.name),
                terminationGracePeriodSeconds=60,
                securityContext={
                    "runAsUser": USER,
                    "runAsGroup": USER,
                    "fsGroup": USER,
                    "fsGroupChangePolicy": "OnRootMismatch",
                },
                containers=[_container(database, observed, follows), *shadow.observers(service, observed)],
                volumes=_volumes(service, seat),
                **({"nodeSelector": nodes} if nodes else {}),
            ),
        },
    )


def _nodes(service: Service, seat: Seat) -> dict[str, str]:
    """A server stays where its volume is, until another takes over."""
    made = seat.holds_data and seat.server and "spec" in seat.server
    return dict(seat.place.nodes if made else seats.wanted(service).nodes)


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


def _volumes(service: Service, seat: Seat) -> list[Object]:
    return [
        {"name": "data", "persistentVolumeClaim": {"claimName": names.seat_volume(service.name, seat.number)}},
        {"name": "configuration", "configMap": {"name": names.database_configuration(service.name)}},
        {"name": "credentials", "secret": {"secretName": names.server_secret(service.name)}},
        # PostgreSQL takes a key that is root's and its own group's, and that no one else can read.
        {"name": "certificate", "secret": {"secretName": names.server_certificate(service.name), "defaultMode": 0o440}},
        {"name": "run", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "128Mi"}},
    ]
