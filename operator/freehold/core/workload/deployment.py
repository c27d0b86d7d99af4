"""The Deployment of a service."""

from __future__ import annotations

from freehold.core.database import topology
from freehold.core.environment import container
from freehold.core.handover import routing
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Ref, Service
from freehold.core.objects import meta, names, observer, pods
from freehold.core.workload.service import labels

DRAIN_SECONDS = 6
"""How long a pod goes on serving after it has left the endpoints: longer than DNS answers are kept (CoreDNS: 5 s)."""


def binding(case: Case) -> Object | None:
    return case.observed.objects.get(Ref("Secret", names.database(case.name)))


def build(case: Case) -> Object:
    version = meta.image_version(case.spec.image)
    containers = [_container(case), *observer.containers(case)]
    pod: Object = {"containers": containers, "volumes": container.volumes(case)}
    if nodes := topology.service_nodes(case):
        pod["nodeSelector"] = nodes
    return meta.build(
        case.service,
        "apps/v1",
        "Deployment",
        case.name,
        labels(case.service, version),
        spec={
            "replicas": case.spec.replicas if routing.runs_here(case) else 0,
            "selector": {"matchLabels": meta.selector(case.name, meta.SERVICE)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": pods.template(
                meta.pod_labels(case.service, meta.SERVICE, version),
                content(case),
                serviceAccountName=case.name,
                terminationGracePeriodSeconds=30 + DRAIN_SECONDS,
                topologySpreadConstraints=_spread(case.service),
                **pod,
            ),
        },
    )


def content(case: Case) -> dict[str, str]:
    """What the pods read only when they start, so that a change of it must roll them; whom to trust is not of it."""
    secret = binding(case) if case.spec.database else None
    if not secret:
        return {}
    return {meta.CONFIG_HASH: meta.digest({k: v for k, v in secret.get("data", {}).items() if k != names.CA_FILE})}


def _spread(service: Service) -> list[Object]:
    """Over zones and nodes; said of a single pod too, so that scaling adds pods and rolls none."""
    chosen = {"labelSelector": meta.serving(service.name)}
    return [
        {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", **chosen}
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]


def _container(case: Case) -> Object:
    spec = case.spec
    ports: list[Object] = []
    if spec.grpc:
        ports.append({"name": "grpc", "containerPort": spec.grpc.port, "protocol": "TCP"})
    if spec.http:
        ports.append({"name": "http", "containerPort": spec.http.port, "protocol": "TCP"})
    return pods.container(
        "service",
        spec.image,
        spec.resources,
        pods.SERVICE,
        env=container.variables(case),
        ports=ports,
        volumeMounts=container.mounts(case),
        lifecycle={"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}},
        **container.probes(case.service),
    )
