"""What moves a service's data from one server to another: a door before both, and a switch.

Clients are led to the door before anything turns. It lets each through to the server that is open at that moment, and
holds those who come while none is. The switch closes one server, sees the last byte on the other, and opens that one;
it runs once at a time, may be killed at any point, and is run until it says what came of it.
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
RESOURCES: Object = {"requests": {"cpu": "25m", "memory": "48Mi"}, "limits": {"memory": "192Mi"}}
DRAIN_SECONDS = 5
"""How long a door goes on letting clients in after it was given up: until no node leads them there any more."""
GRACE_SECONDS = 30


def switchover_job(case: Case, database: Database, now: Instance, to: Instance, name: str, capability: str) -> Object:
    """The Job. A pod of it that is lost is replaced only once it has ended for certain (KEP-3939); it is never given up
    by itself, for only it can tell how things stand."""
    hosts = (host_of(case.service, now), host_of(case.service, to))
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


def proxy(case: Case, database: Database, now: Instance, to: Instance, capability: str) -> Object:
    """The StatefulSet, which never runs two of its pods."""
    engine, hosts = engines.of(database), sorted(host_of(case.service, instance) for instance in (now, to))
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
    """Holds one password, and whom to trust; no key."""
    password = [{"key": engine.roles.replication, "path": engine.roles.replication}]
    trusted = [{"key": names.CA_FILE, "path": names.CA_FILE}]
    return pods.template(
        {**meta.pod_labels(service, meta.DATABASE), meta.ROLE: role},
        {},
        serviceAccountName=names.database(service.name),
        securityContext={"fsGroup": USER},
        containers=[container],
        volumes=[
            {"name": "credentials", "secret": _items(names.server_secret(service.name), password)},
            {"name": "certificate", "secret": _items(names.server_certificate(service.name), trusted)},
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
