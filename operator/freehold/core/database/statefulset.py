"""The StatefulSet of a database server."""

from __future__ import annotations

from freehold.api.v1alpha1.database import Database
from freehold.core import engines
from freehold.core.database import source, topology
from freehold.core.database.instance import Instance
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Ref, Service
from freehold.core.objects import meta, names, observer, pods


def statefulset(case: Case, database: Database, instance: Instance, capability: str) -> Object:
    """The StatefulSet of a instance.

    Parallel management lets a corrected template replace a pod that never became ready.
    """
    engine, origin = engines.of(database), source.of(case, instance)
    credentials = case.observed.objects[Ref("Secret", names.server_secret(case.name))].get("data")
    annotations = {meta.CONFIG_HASH: meta.digest(meta.digest(credentials), engine.files())}
    if isinstance(origin, engines.Replica):
        annotations[meta.PRIMARY] = str(origin)
    nodes = _nodes(case.service, instance)
    return meta.build(
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
            "template": pods.template(
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
            ),
        },
    )


def _nodes(service: Service, instance: Instance) -> dict[str, str]:
    """A server stays where its volume is, until another takes over."""
    made = instance.holds_data and instance.server and "spec" in instance.server
    return dict(instance.place.nodes if made else topology.wanted_location(service).nodes)


def _volumes(service: Service, instance: Instance) -> list[Object]:
    return [
        {"name": "data", "persistentVolumeClaim": {"claimName": names.instance_volume(service.name, instance.number)}},
        {"name": "configuration", "configMap": {"name": names.database_configuration(service.name)}},
        {"name": "credentials", "secret": {"secretName": names.server_secret(service.name)}},
        # A key that is root's and the server's group's, and that no one else can read: PostgreSQL refuses others.
        {"name": "certificate", "secret": {"secretName": names.server_certificate(service.name), "defaultMode": 0o440}},
    ]
