"""The StatefulSet of a database server."""

from __future__ import annotations

from freehold.api.v1alpha1.database import Database
from freehold.core import engines
from freehold.core.database import platform_change, source, topology
from freehold.core.database.instance import Instance
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Service
from freehold.core.objects import meta, names, observer, pods


def statefulset(case: Case, database: Database, instance: Instance, capability: str) -> Object:
    """Return the StatefulSet of an instance.

    Parallel management lets a corrected template replace a pod that never became ready.
    """
    body = meta.build(
        case.service,
        "apps/v1",
        "StatefulSet",
        names.instance(case.name, instance.number),
        meta.labels(case.service, meta.DATABASE, capability, database.version),
        spec={
            "replicas": 1,
            "serviceName": names.database_nodes(case.name),
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": meta.selector(case.name, meta.DATABASE)},
            "template": _template(case, database, instance),
        },
    )
    return platform_change.recorded(body, _declared(case, database, instance), instance, case.observed.now)


def _template(case: Case, database: Database, instance: Instance) -> Object:
    engine, origin = engines.of(database), source.of(case, instance)
    # Not of the passwords: the server sets changed ones without a restart, which could let go of a deleted claim.
    annotations = {meta.CONFIG_HASH: meta.digest(engine.files())}
    if isinstance(origin, engines.Replica):
        annotations[meta.PRIMARY] = str(origin)
    nodes = _nodes(case.service, instance)
    return pods.template(
        meta.pod_labels(case.service, meta.DATABASE, database.version),
        annotations,
        serviceAccountName=names.database(case.name),
        terminationGracePeriodSeconds=60,
        securityContext={
            "runAsUser": engine.user,
            "runAsGroup": engine.user,
            "fsGroup": engine.user,
            "fsGroupChangePolicy": "OnRootMismatch",
        },
        containers=[engine.container(database, case.observed.platform, origin), *observer.containers(case)],
        volumes=[*_volumes(case.service, instance), *engine.scratch()],
        **({"nodeSelector": nodes} if nodes else {}),
    )


def _declared(case: Case, database: Database, instance: Instance) -> str:
    """Return a digest of all that shapes the server and is not the platform's.

    Defaults belong to the platform: a field that a later release adds changes no digest.
    """
    fields = {"engine", "version", "limits", "resources"}
    settings = database.model_dump(mode="json", include=fields, exclude_defaults=True)
    origin, nodes = str(source.of(case, instance)), _nodes(case.service, instance)
    return meta.digest(settings, origin, nodes, observer.is_audited(case.service))


def _nodes(service: Service, instance: Instance) -> dict[str, str]:
    """Return the node selector: a server with data stays with its volume."""
    keeps = instance.holds_data and instance.server and "spec" in instance.server
    return dict(instance.location.nodes if keeps else topology.wanted_location(service).nodes)


def _volumes(service: Service, instance: Instance) -> list[Object]:
    return [
        {"name": "data", "persistentVolumeClaim": {"claimName": names.instance_volume(service.name, instance.number)}},
        {"name": "configuration", "configMap": {"name": names.database_configuration(service.name)}},
        {"name": "credentials", "secret": {"secretName": names.server_secret(service.name)}},
        # PostgreSQL refuses a key that others than root and its own group can read.
        {"name": "certificate", "secret": {"secretName": names.server_certificate(service.name), "defaultMode": 0o440}},
    ]
