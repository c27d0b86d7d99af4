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
"""How long a pod serves on after leaving the endpoints: longer than DNS answers are cached (CoreDNS: 5 s)."""
PROGRESS_SPARE_SECONDS = 60
"""The time for all but the start of a container, such as the pull of its image, until a rollout counts as stalled."""


def binding(case: Case) -> Object | None:
    """The Secret that binds the service to the database, None before the first reconcile."""
    return case.observed.objects.get(Ref("Secret", names.database(case.name)))


def build(case: Case) -> Object:
    """The Deployment; scaled to zero while the endpoint redirects to another service."""
    version = meta.image_version(case.spec.image)
    startup_seconds = container.startup_seconds(case.service) or container.DEFAULT_STARTUP_SECONDS
    containers = [_container(case), *observer.containers(case)]
    pod: Object = {"containers": containers, "volumes": container.volumes(case)}
    if nodes := topology.service_nodes(case):
        pod["nodeSelector"] = nodes
    body = meta.build(
        case.service,
        "apps/v1",
        "Deployment",
        case.name,
        labels(case.service, version),
        spec={
            "replicas": case.spec.replicas if routing.runs_here(case) else 0,
            "selector": {"matchLabels": meta.selector(case.name, meta.SERVICE)},
            "progressDeadlineSeconds": startup_seconds + PROGRESS_SPARE_SECONDS,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": pods.template(
                meta.pod_labels(case.service, meta.SERVICE, version),
                config_hash(case),
                serviceAccountName=case.name,
                terminationGracePeriodSeconds=30 + DRAIN_SECONDS,
                topologySpreadConstraints=_spread(case.service),
                **pod,
            ),
        },
    )
    body["metadata"]["annotations"] = {meta.IMAGE: case.spec.image}
    return body


def config_hash(case: Case) -> dict[str, str]:
    """The annotation with the hash of the binding, which rolls the pods on a change; without the CA file."""
    secret = binding(case) if case.spec.database else None
    if not secret:
        return {}
    return {meta.CONFIG_HASH: meta.digest({k: v for k, v in secret.get("data", {}).items() if k != names.CA_FILE})}


def _spread(service: Service) -> list[Object]:
    """Constraints over zones and nodes; set for a single pod too, so that scaling adds pods and rolls none."""
    pods_of_service = {"labelSelector": meta.serving(service.name)}
    return [
        {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", **pods_of_service}
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
