"""Workloads of a move: the database proxy and the switchover Job.

Clients use the proxy before the switchover starts. The proxy passes each client to the writable server, and holds
clients while neither server is. The switchover fences the primary, waits until the standby has replayed all WAL,
promotes the standby and unfences it. Only one attempt runs at a time; an attempt may be killed at any point, and is
repeated until an outcome is reported.
"""

from __future__ import annotations

from freehold.api.v1alpha1.database import Database
from freehold.core import engines
from freehold.core.database import switchover_jobs
from freehold.core.database.instance import Instance, host_of
from freehold.core.engines import Engine
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Observed, Service
from freehold.core.objects import meta, names, pods

PROXY = "database-proxy"
USER = 65532
"""The user of the operator's image."""
RESOURCES: Object = {"requests": {"cpu": "25m", "memory": "48Mi"}, "limits": {"cpu": "1", "memory": "192Mi"}}
"""One core is all that a program of one thread can use; a quota may demand a limit."""
DRAIN_SECONDS = 5
"""How long a proxy that is being deleted accepts clients: until no node routes them to it any more."""
GRACE_SECONDS = 30


def switchover_job(
    case: Case, database: Database, primary: Instance, candidate: Instance, name: str, capability: str
) -> Object:
    """Return the Job of one attempt.

    A lost pod is replaced only after it has certainly ended (podReplacementPolicy, KEP-3939). The Job never gives up,
    because only pods of the Job know the outcome.
    """
    hosts = (host_of(case.service, primary), host_of(case.service, candidate))
    container = _container(switchover_jobs.ROLE, case.observed, engines.of(database).switchover(*hosts))
    template = _template(
        case.service,
        engines.of(database),
        switchover_jobs.ROLE,
        container,
        restartPolicy="OnFailure",
        terminationGracePeriodSeconds=GRACE_SECONDS,
    )
    spec = {"backoffLimit": 1000, "podReplacementPolicy": "Failed", "template": template}
    return meta.build(
        case.service, "batch/v1", "Job", name, meta.labels(case.service, meta.DATABASE, capability), spec=spec
    )


def proxy(case: Case, database: Database, one: Instance, other: Instance, capability: str) -> Object:
    """Return the database proxy before two instances: a StatefulSet, which never runs two pods at once."""
    engine, hosts = engines.of(database), sorted(host_of(case.service, instance) for instance in (one, other))
    container = _container(
        PROXY,
        case.observed,
        engine.proxy(hosts),
        ports=[
            {"name": engine.name, "containerPort": engine.port, "protocol": "TCP"},
            {"name": "move", "containerPort": names.PORT_PROGRESS, "protocol": "TCP"},
        ],
        readinessProbe={"tcpSocket": {"port": engine.name}, "periodSeconds": 1},
        livenessProbe={"tcpSocket": {"port": engine.name}, "periodSeconds": 10, "failureThreshold": 6},
        lifecycle={"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}},
    )
    labels = meta.labels(case.service, meta.DATABASE, capability)
    spec = {
        "replicas": 1,
        "serviceName": names.database_nodes(case.name),
        "selector": {"matchLabels": {**meta.selector(case.name, meta.DATABASE), meta.ROLE: PROXY}},
        "template": _template(
            case.service, engine, PROXY, container, terminationGracePeriodSeconds=GRACE_SECONDS + DRAIN_SECONDS
        ),
    }
    return meta.build(case.service, "apps/v1", "StatefulSet", names.proxy(case.name), labels, spec=spec)


def _template(service: Service, engine: Engine, role: str, container: Object, **spec: object) -> Object:
    """Return the pod template of both workloads, with one password and the certificate authorities, and no key."""
    password = [{"key": engine.roles.replication, "path": engine.roles.replication}]
    authorities = [{"key": names.CA_FILE, "path": names.CA_FILE}]
    return pods.template(
        {**meta.pod_labels(service, meta.DATABASE), meta.ROLE: role},
        {},
        serviceAccountName=names.database(service.name),
        securityContext={"fsGroup": USER},
        containers=[container],
        volumes=[
            {"name": "credentials", "secret": _items(names.server_secret(service.name), password)},
            {"name": "certificate", "secret": _items(names.server_certificate(service.name), authorities)},
            {"name": "tmp", "emptyDir": {}},
        ],
        **spec,
    )


def _items(secret: str, items: list[Object]) -> Object:
    return {"secretName": secret, "items": items, "defaultMode": 0o440}


def _container(name: str, observed: Observed, command: list[str], **body: object) -> Object:
    mounts = {"credentials": "/credentials", "certificate": "/certificate", "tmp": "/tmp"}
    return pods.container(
        name,
        observed.platform.operator_image,
        None,
        RESOURCES,
        command=command,
        volumeMounts=[{"name": mount, "mountPath": path} for mount, path in mounts.items()],
        **body,
    )
