"""The database: one PostgreSQL server that serves one service, on a volume of its own.

The server starts by its image's own entrypoint, so that official images work unchanged. A script beside it brings the
roles to what the credentials say each time the server starts; the server is ready only once that is done. A change of
the credentials or of that script restarts the server, and nothing else has to be remembered.
"""

from __future__ import annotations

from importlib.resources import files

from freehold.api.v1alpha1 import Database, DeletionPolicy
from freehold.core import gates, meta, names, pods
from freehold.core.model import (
    Condition,
    Object,
    Observed,
    Plan,
    Reason,
    Ref,
    Service,
    State,
    StorageClass,
    Type,
)
from freehold.core.quantity import as_number

CAPABILITY = "database"
USER = 999
"""The id of user postgres in the official image; the volume belongs to its group."""
DATA = "/var/lib/postgresql/data"
CONFIGURATION = "/freehold"
SOURCES = ("start.sh", "roles.sql", "pg_hba.conf")
USUAL: Object = {"requests": {"cpu": "25m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}
ROLES_ARE_SET = "/tmp/roles-are-set"


def desired(service: Service, observed: Observed) -> Plan:
    """The volume, the Services and, once its credentials are there, the server."""
    database = service.spec.database
    if database is None:
        return Plan(CAPABILITY, ())
    objects: tuple[Object, ...] = (
        _account(service),
        _configuration(service),
        _volume(service, database, observed),
        _client_service(service),
        _nodes_service(service),
    )
    secret = observed.objects.get(Ref("Secret", names.server_secret(service.name)))
    if secret:
        objects += (_server(service, database, observed, meta.digest(secret.get("data"))),)
    return Plan(CAPABILITY, objects, _condition(service, database, observed))


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


def _volume(service: Service, database: Database, observed: Observed) -> Object:
    """The claim; with Retain it has no owner, so that nothing but a person removes it."""
    storage = database.storage
    size = storage.size if _may_grow(service, database, observed) else _held(service, observed)
    spec: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    if storage.class_name:
        spec["storageClassName"] = storage.class_name
    return meta.build(
        service,
        "v1",
        "PersistentVolumeClaim",
        names.database_volume(service.name),
        meta.labels(service, meta.DATABASE, CAPABILITY),
        owned=database.deletion_policy is DeletionPolicy.DELETE,
        spec=spec,
    )


def _claim(service: Service, observed: Observed) -> Object | None:
    return observed.objects.get(Ref("PersistentVolumeClaim", names.database_volume(service.name)))


def _held(service: Service, observed: Observed) -> str:
    """The size the claim asks for today, empty where there is no claim."""
    claim = _claim(service, observed)
    return str(claim["spec"]["resources"]["requests"]["storage"]) if claim else ""


def _may_grow(service: Service, database: Database, observed: Observed) -> bool:
    """Whether the claim may be asked for the declared size; the API server refuses to grow what cannot expand."""
    held = _held(service, observed)
    if not held or as_number(held) == as_number(database.storage.size):
        return True
    shrinks = as_number(database.storage.size) < as_number(held)
    storage_class = _storage_class(service, observed)
    return not shrinks and storage_class is not None and storage_class.expandable


def _storage_class(service: Service, observed: Observed) -> StorageClass | None:
    claim = _claim(service, observed)
    name = claim["spec"].get("storageClassName") if claim else None
    return next((c for c in observed.storage_classes if c.name == name), None)


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
                containers=[_container(database, observed)],
                volumes=_volumes(service),
            ),
        },
    )


def _container(database: Database, observed: Observed) -> Object:
    mounts = {
        "data": DATA,
        "configuration": CONFIGURATION,
        "credentials": "/credentials",
        "run": "/var/run/postgresql",
        "tmp": "/tmp",
        "shared-memory": "/dev/shm",
    }
    return pods.container(
        "postgresql",
        observed.platform.postgresql_image.format(version=database.version),
        database.resources,
        USUAL,
        command=["bash", f"{CONFIGURATION}/start.sh"],
        env=[
            {"name": "PGDATA", "value": f"{DATA}/pgdata"},
            {"name": "POSTGRES_DB", "value": names.DATABASE},
            {"name": "POSTGRES_PASSWORD_FILE", "value": "/credentials/postgres"},
            {"name": "POSTGRES_INITDB_ARGS", "value": "--data-checksums --auth-host=scram-sha-256"},
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
        {"name": "run", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "128Mi"}},
    ]


def _condition(service: Service, database: Database, observed: Observed) -> Condition:
    state, reason, message = _state(service, database, observed)
    return Condition(Type.DATABASE_READY, state, reason, message)


def _state(service: Service, database: Database, observed: Observed) -> tuple[State, Reason, str]:
    running = pods.component_pods(observed, meta.DATABASE)
    trouble = _volume_trouble(service, database, observed) or pods.trouble(running)
    if trouble:
        return State.FALSE, *trouble
    where = f"{names.host(names.database(service.name), service.namespace)}:{names.PORT_POSTGRESQL}"
    if gates.database_ready(service, observed):
        return State.TRUE, Reason.READY, f"PostgreSQL {database.version} serves at {where}"
    claim = _claim(service, observed)
    if claim and claim.get("status", {}).get("phase") != "Bound":
        name = claim["spec"].get("storageClassName", "the default")
        said = f"waiting for storage class {name} to provide {claim['metadata']['name']}, {database.storage.size}"
        return State.UNKNOWN, Reason.VOLUME_PENDING, said
    return State.UNKNOWN, Reason.STARTING, f"waiting for PostgreSQL {database.version} to accept connections"


def _volume_trouble(service: Service, database: Database, observed: Observed) -> pods.Trouble | None:
    claim = _claim(service, observed)
    if claim and "deletionTimestamp" in claim["metadata"]:
        said = f"volume claim {claim['metadata']['name']} is being deleted and goes when its server stops"
        return pods.Trouble(Reason.VOLUME_BEING_DELETED, f"{said}; take a copy of the data first")
    if claim and claim.get("status", {}).get("phase") == "Bound":
        return _growth_trouble(service, database, observed)
    return _class_trouble(database, observed)


def _growth_trouble(service: Service, database: Database, observed: Observed) -> pods.Trouble | None:
    if _may_grow(service, database, observed):
        return None
    said = f"the volume holds {_held(service, observed)} and its storage class cannot expand it to"
    hint = "set the size back, or use a class with allowVolumeExpansion"
    return pods.Trouble(Reason.VOLUME_CANNOT_GROW, f"{said} {database.storage.size}; {hint}")


def _class_trouble(database: Database, observed: Observed) -> pods.Trouble | None:
    asked = database.storage.class_name
    known = ", ".join(f"{c.name} (default)" if c.default else c.name for c in observed.storage_classes)
    has = f"the cluster has: {known}" if known else "the cluster has none"
    if asked and asked not in {c.name for c in observed.storage_classes}:
        return pods.Trouble(Reason.STORAGE_CLASS_MISSING, f"storage class {asked} does not exist; {has}")
    if not asked and not any(c.default for c in observed.storage_classes):
        said = "the cluster has no default storage class; name one under spec.database.storage.className"
        return pods.Trouble(Reason.STORAGE_CLASS_MISSING, f"{said}; {has}")
    return None
