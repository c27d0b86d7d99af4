"""The database: one PostgreSQL server that serves one service, on a volume of its own.

The server starts by its image's own entrypoint, so that official images work unchanged. A script beside it brings the
roles to what the credentials say each time the server starts; the server is ready only once that is done. A change of
the credentials or of that script restarts the server, and nothing else has to be remembered. Over the network it speaks
TLS 1.3 alone, and takes up a renewed certificate as it runs.
"""

from __future__ import annotations

from importlib.resources import files

from freehold.api.database import Database
from freehold.core import gates, meta, names, pods, shadow, volume
from freehold.core.model import Condition, Object, Observed, Plan, Reason, Ref, Service, State, Type

CAPABILITY = "database"
USER = 999
"""The id of user postgres in the official image; the volume belongs to its group."""
DATA = "/var/lib/postgresql/data"
CONFIGURATION = "/freehold"
SOURCES = ("start.sh", "roles.sql", "pg_hba.conf")
USUAL: Object = {"requests": {"cpu": "25m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}
RESERVED = 20
"""Connections beside the service's own: migrations, and an administrator from inside the pod."""
ROLES_ARE_SET = "/tmp/roles-are-set"


def desired(service: Service, observed: Observed) -> Plan:
    """The volume, the Services and, once its credentials are there, the server."""
    database = service.spec.database
    if database is None:
        return Plan(CAPABILITY, ())
    objects: tuple[Object, ...] = (
        _account(service),
        _configuration(service),
        volume.claim(service, database, observed, CAPABILITY),
        _client_service(service),
        _nodes_service(service),
    )
    condition, discard = _condition(service, database, observed), volume.misplaced(service, database, observed)
    secret = observed.objects.get(Ref("Secret", names.server_secret(service.name)))
    if secret is None:  # a server that runs goes on as it is
        return Plan(
            CAPABILITY, objects, condition, frozenset({Ref("StatefulSet", names.database(service.name))}), discard
        )
    objects += (_server(service, database, observed, meta.digest(secret.get("data"))),)
    return Plan(CAPABILITY, objects, condition, discard=discard)


def _labels(service: Service, database: Database) -> dict[str, str]:
    return meta.labels(service, meta.DATABASE, CAPABILITY, database.version)


def _configuration(service: Service) -> Object:
    texts = {name: files("freehold.core").joinpath("postgresql", name).read_text() for name in SOURCES}
    return meta.build(
        service,
        "v1",
        "ConfigMap",
        names.database_configuration(service.name),
        meta.labels(service, meta.DATABASE, CAPABILITY),
        data=texts,
    )


def _account(service: Service) -> Object:
    return meta.build(
        service,
        "v1",
        "ServiceAccount",
        names.database(service.name),
        meta.labels(service, meta.DATABASE, CAPABILITY),
        automountServiceAccountToken=False,
    )


def _service(service: Service, name: str, **spec: object) -> Object:
    port = {
        "name": "postgresql",
        "port": names.PORT_POSTGRESQL,
        "targetPort": "postgresql",
        "protocol": "TCP",
    }
    body = {"selector": meta.selector(service.name, meta.DATABASE), "ports": [port], **spec}
    labels = meta.labels(service, meta.DATABASE, CAPABILITY)
    return meta.build(service, "v1", "Service", name, labels, spec=body)


def _client_service(service: Service) -> Object:
    return _service(service, names.database(service.name), type="ClusterIP")


def _nodes_service(service: Service) -> Object:
    headless = {"clusterIP": "None", "publishNotReadyAddresses": True}
    return _service(service, names.database_nodes(service.name), **headless)


def _server(service: Service, database: Database, observed: Observed, credentials: str) -> Object:
    """The StatefulSet. Parallel management lets a corrected template replace a pod that never became ready."""
    content = meta.digest(credentials, _configuration(service)["data"])
    return meta.build(
        service,
        "apps/v1",
        "StatefulSet",
        names.database(service.name),
        _labels(service, database),
        spec={
            "replicas": 1,
            "serviceName": names.database_nodes(service.name),
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": meta.selector(service.name, meta.DATABASE)},
            "template": pods.template(
                meta.pod_labels(service, meta.DATABASE, database.version),
                {meta.CONTENT: content},
                serviceAccountName=names.database(service.name),
                terminationGracePeriodSeconds=60,
                securityContext={
                    "runAsUser": USER,
                    "runAsGroup": USER,
                    "fsGroup": USER,
                    "fsGroupChangePolicy": "OnRootMismatch",
                },
                containers=[_container(database, observed), *shadow.observers(service, observed)],
                volumes=_volumes(service),
            ),
        },
    )


def _container(database: Database, observed: Observed) -> Object:
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


def _volumes(service: Service) -> list[Object]:
    return [
        {"name": "data", "persistentVolumeClaim": {"claimName": names.database_volume(service.name)}},
        {"name": "configuration", "configMap": {"name": names.database_configuration(service.name)}},
        {"name": "credentials", "secret": {"secretName": names.server_secret(service.name)}},
        # PostgreSQL takes a key that is root's and its own group's, and that no one else can read.
        {"name": "certificate", "secret": {"secretName": names.server_certificate(service.name), "defaultMode": 0o440}},
        {"name": "run", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "128Mi"}},
    ]


def _condition(service: Service, database: Database, observed: Observed) -> Condition:
    state, reason, message = _state(service, database, observed)
    return Condition(Type.DATABASE_READY, state, reason, message)


def _state(service: Service, database: Database, observed: Observed) -> tuple[State, Reason, str]:
    running = pods.component_pods(observed, meta.DATABASE)
    trouble = volume.trouble(service, database, observed) or pods.trouble(running, observed)
    if trouble:
        return State.FALSE, *trouble
    where = f"{names.host(names.database(service.name), service.namespace)}:{names.PORT_POSTGRESQL}"
    if gates.database_ready(service, observed):
        return State.TRUE, Reason.READY, f"PostgreSQL {database.version} serves at {where}"
    claim = volume.claimed(service, observed)
    if claim and not volume.is_bound(claim):
        name = claim["spec"].get("storageClassName", "the default")
        said = f"waiting for storage class {name} to provide {claim['metadata']['name']}, {database.storage.size}"
        return State.UNKNOWN, Reason.VOLUME_PENDING, said
    return State.UNKNOWN, Reason.STARTING, f"waiting for PostgreSQL {database.version} to accept connections"
