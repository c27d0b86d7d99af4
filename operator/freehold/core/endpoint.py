"""The endpoint: the service's pods, and the name by which they are reached, which never changes.

The Service is headless, so that gRPC clients see every pod and balance calls among them (grpc.io, 'Name Resolution').
New pods start only after their schema is in; until then the pods that serve are left exactly as they are.
"""

from __future__ import annotations

from dataclasses import replace

from freehold.core import (
    bridges,
    clusters,
    consent,
    environment,
    forwards,
    gates,
    meta,
    names,
    pods,
    published,
    rollout,
    seats,
    shadow,
)
from freehold.core.conditions import Condition, Reason, State, Type
from freehold.core.model import Object, Observed, Plan, Ref, Service

CAPABILITY = "endpoint"
DRAIN_SECONDS = 6
"""How long a pod goes on serving after it has left the endpoints: longer than DNS answers are kept (CoreDNS: 5 s)."""


def desired(service: Service, observed: Observed) -> Plan:
    """The name at once; the pods when the database is ready and migrated, and of an image that breaks no consumer."""
    verdict = rollout.verdict(service, observed)
    if verdict.step is not rollout.Step.GO:
        service = rollout.as_serving(service, observed)
    return _told(_desired(service, observed), verdict)


def _told(plan: Plan, verdict: rollout.Verdict) -> Plan:
    """While it is not known whether new pods may start, the old ones being well is not all there is to say."""
    condition = plan.condition
    if verdict.step is not rollout.Step.WAIT or not condition or condition.state is not State.TRUE:
        return plan
    waiting = Condition(Type.ENDPOINT_READY, State.UNKNOWN, Reason.READING_CONTRACT, verdict.said)
    return replace(plan, condition=waiting)


def _desired(service: Service, observed: Observed) -> Plan:
    objects: tuple[Object, ...] = (_account(service), _service(service, observed))
    if consent.asks_identity(service):
        objects += (environment.clients(service, observed, _labels(service)),)
    if service.spec.replicas > 1:
        objects += (_disruption_budget(service),)
    deployment = Ref("Deployment", service.name)
    if not _may_roll_out(service, observed):
        return Plan(CAPABILITY, objects, _condition(service, observed), frozenset({deployment}))
    return Plan(CAPABILITY, (*objects, _deployment(service, observed)), _condition(service, observed))


def _may_roll_out(service: Service, observed: Observed) -> bool:
    identity = Ref("Secret", names.identity(service.name))
    if consent.needs_identity(service, observed) and identity not in observed.objects:
        return False
    if service.spec.database is None:
        return True
    if not gates.migrated(service, observed) or not _binding(service, observed):
        return False
    serves = Ref("Deployment", service.name) in observed.objects
    return serves or gates.database_ready(service, observed)


def _binding(service: Service, observed: Observed) -> Object | None:
    return observed.objects.get(Ref("Secret", names.database(service.name)))


def _labels(service: Service, version: str = "") -> dict[str, str]:
    return meta.labels(service, meta.SERVICE, CAPABILITY, version)


def _account(service: Service) -> Object:
    return meta.build(
        service, "v1", "ServiceAccount", service.name, _labels(service), automountServiceAccountToken=False
    )


def _service(service: Service, observed: Observed) -> Object:
    ports: list[Object] = []
    if service.spec.grpc:
        port = {"name": "grpc", "port": service.spec.grpc.port, "targetPort": "grpc", "protocol": "TCP"}
        ports.append({**port, "appProtocol": "https" if consent.asks_identity(service) else "kubernetes.io/h2c"})
    if service.spec.http:
        port = {"name": "http", "port": service.spec.http.port, "targetPort": "http", "protocol": "TCP"}
        ports.append({**port, "appProtocol": "http"})
    spec: Object = {"clusterIP": "None", "selector": meta.selector(service.name, meta.SERVICE), "ports": ports}
    body = meta.build(service, "v1", "Service", service.name, _labels(service), spec=spec)
    target = forwards.leads_to(service, observed)
    if target and not clusters.is_foreign(target.namespace):
        body["spec"] = {"type": "ExternalName", "externalName": forwards.alias(target, observed), "ports": ports}
    elif target and bridges.stands(service, observed):
        # It selects nobody, for then the cluster's own controller takes the pods here out of it.
        body["spec"] = {**spec, "selector": meta.selector(service.name, meta.ABROAD)}
        body["metadata"]["annotations"] = {meta.LEADS_TO: target.namespace}
    return body


def _disruption_budget(service: Service) -> Object:
    spec = {"maxUnavailable": 1, "selector": meta.serving(service.name)}
    return meta.build(service, "policy/v1", "PodDisruptionBudget", service.name, _labels(service), spec=spec)


def _deployment(service: Service, observed: Observed) -> Object:
    version = meta.image_version(service.spec.image)
    containers = [_container(service, observed), *shadow.observers(service, observed)]
    pod: Object = {"containers": containers, "volumes": environment.volumes(service, observed)}
    if nodes := seats.pods_nodes(service, observed):
        pod["nodeSelector"] = nodes
    return meta.build(
        service,
        "apps/v1",
        "Deployment",
        service.name,
        _labels(service, version),
        spec={
            "replicas": service.spec.replicas if forwards.stands_here(service, observed) else 0,
            "selector": {"matchLabels": meta.selector(service.name, meta.SERVICE)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": pods.template(
                meta.pod_labels(service, meta.SERVICE, version),
                _content(service, observed),
                serviceAccountName=service.name,
                terminationGracePeriodSeconds=30 + DRAIN_SECONDS,
                topologySpreadConstraints=_spread(service),
                **pod,
            ),
        },
    )


def _content(service: Service, observed: Observed) -> dict[str, str]:
    """What the pods read only when they start, so that a change of it must roll them; whom to trust is not of it."""
    binding = _binding(service, observed) if service.spec.database else None
    if not binding:
        return {}
    return {meta.CONTENT: meta.digest({k: v for k, v in binding.get("data", {}).items() if k != names.TRUSTED})}


def _spread(service: Service) -> list[Object]:
    """Over zones and nodes; said of a single pod too, so that scaling adds pods and rolls none."""
    chosen = {"labelSelector": meta.serving(service.name)}
    return [
        {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", **chosen}
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]


def _container(service: Service, observed: Observed) -> Object:
    spec = service.spec
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
        env=environment.environment(service, observed),
        ports=ports,
        volumeMounts=environment.mounts(service, observed),
        lifecycle={"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}},
        **environment.probes(service),
    )


def _forwarded(service: Service, observed: Observed) -> Condition:
    """It is as well as the one that its name leads to."""
    target = observed.forwards[service.key]
    peer = observed.peers.get(target)
    well = bool(peer and peer.ready)
    said = f"its name leads to {target}" + ("" if well else ", which is not ready at the moment")
    return Condition(Type.ENDPOINT_READY, State.TRUE if well else State.UNKNOWN, Reason.FORWARDED, said)


def _condition(service: Service, observed: Observed) -> Condition:
    if not forwards.stands_here(service, observed):
        return _forwarded(service, observed)
    return Condition(Type.ENDPOINT_READY, *_state(service, observed))


def _state(service: Service, observed: Observed) -> tuple[State, Reason, str]:
    live = observed.objects.get(Ref("Deployment", service.name))
    if live is None and _may_roll_out(service, observed):
        return State.UNKNOWN, Reason.ROLLING_OUT, "its first pods are being started"
    if live is None:
        return (
            State.UNKNOWN,
            Reason.WAITING_FOR_MIGRATIONS,
            "pods start once what they stand on is there: database, schema, certificate",
        )
    available = live.get("status", {}).get("availableReplicas", 0)
    running = pods.component_pods(observed, meta.SERVICE)
    trouble = pods.trouble(running, observed) or _refusal(live) or (_rolled_out(live) and pods.unwell(running))
    still = f"; {available} of {service.spec.replicas} pods serve" if available else ""
    if trouble:
        return State.FALSE, trouble.reason, trouble.message + still
    if not _may_roll_out(service, observed):
        serving, wanted = meta.image_name(published.image_of(live)), meta.image_name(service.spec.image)
        said = f"{serving} goes on serving until the migrations of {wanted} are in"
        return State.UNKNOWN, Reason.WAITING_FOR_MIGRATIONS, said
    return _progress(service, live, available)


def _progress(service: Service, live: Object, available: int) -> tuple[State, Reason, str]:
    status, wanted = live.get("status", {}), service.spec.replicas
    settled = (
        status.get("observedGeneration") == live["metadata"].get("generation")
        and live["spec"].get("replicas") == wanted
        and status.get("updatedReplicas", 0) == status.get("replicas", 0) == wanted == available
    )
    if settled and wanted == 0:
        return State.TRUE, Reason.SCALED_TO_ZERO, "scaled to zero; set spec.replicas to serve again"
    if settled:
        return State.TRUE, Reason.AVAILABLE, f"{available} of {wanted} pods serve"
    return State.UNKNOWN, Reason.ROLLING_OUT, f"{available} of {wanted} pods serve; a rollout is under way"


def _rolled_out(live: Object) -> bool:
    """Whether the newest template was available once, so that what does not serve now has stopped serving."""
    conditions = live.get("status", {}).get("conditions", [])
    return any(c["type"] == "Progressing" and c.get("reason") == "NewReplicaSetAvailable" for c in conditions)


def _refusal(live: Object) -> pods.Trouble | None:
    """What an admission rule or a quota said when it refused a pod."""
    for condition in live.get("status", {}).get("conditions", []):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return pods.Trouble(Reason.REFUSED_BY_ADMISSION, f"pods are refused: {condition.get('message', '')}")
    return None
