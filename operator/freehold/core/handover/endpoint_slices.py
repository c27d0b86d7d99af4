"""Bridges: what leads from one cluster to the pods of another, address by address.

Names and labels of one cluster mean nothing in the other; addresses do, where pods of both reach each other. So what
leads to pods there is a list of addresses that the operator keeps (discovery.k8s.io/v1, EndpointSlice), walls name
addresses, and the side whose consumers stay behind tells the other who they are and where their pods stand.
"""

from __future__ import annotations

from freehold.core import engines
from freehold.core.handover import routing
from freehold.core.model import remote
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Ref, Service
from freehold.core.objects import meta, names, pods
from freehold.core.peers import consent, counterpart
from freehold.core.peers.remote_callers import counterpart_pods

SERVICE_NAME = "kubernetes.io/service-name"
"""Labels a slice with the Service that it is of; without it, it is nobody's."""


def objects(case: Case, capability: str) -> tuple[Object, ...]:
    """All that a service needs which moves to another cluster, or takes over from one; nothing for any other."""
    other = counterpart.in_remote_cluster(case)
    if other is None:
        return ()
    slices = (_endpoint(case, capability), _servers(case, capability))
    told = (_callers(case, capability),) if case.observed.aliases.get(case.key) == other else ()
    return (*filter(None, slices), *told)


def is_attached(case: Case) -> bool:
    """Whether the service's own name has the pods of the other cluster behind it at this moment."""
    live = case.observed.objects.get(Ref("EndpointSlice", names.remote_name(case.name)), {})
    return bool(live.get("metadata", {}).get("labels", {}).get(SERVICE_NAME) == case.name)


def _endpoint(case: Case, capability: str) -> Object | None:
    """What the service's name leads to, once it leads to the other cluster, and until it leads here again."""
    leading = (routing.endpoint_target(case), routing.current_target(case))
    led = any(target and remote.is_remote(target.namespace) for target in leading)
    serving = [
        pod for pod in counterpart_pods(case.observed, meta.SERVICE) if meta.PROBE not in pod["metadata"]["labels"]
    ]
    endpoints = [_endpoint_of(pod, ready=pods.is_ready(pod)) for pod in serving]
    spec = case.spec
    ports = [("grpc", spec.grpc.port)] if spec.grpc else []
    ports += [("http", spec.http.port)] if spec.http else []
    labelled = meta.labels(case.service, meta.SERVICE, capability)
    return _slice(case.service, names.remote_name(case.name), labelled, case.name if led else "", endpoints, ports)


def _servers(case: Case, capability: str) -> Object | None:
    """The names of the database servers there, for those here that copy and follow them."""
    database = case.spec.database
    ports = [(engines.of(database).name, engines.of(database).port)] if database else []
    called = {pod["metadata"]["name"]: pod for pod in counterpart_pods(case.observed, meta.DATABASE)}
    endpoints = [
        {**_endpoint_of(pod, ready=True), "hostname": names.remote_name(name)}
        for name, pod in called.items()
        if names.is_instance_pod(case.name, name)
    ]
    name, of = names.remote_name(names.database(case.name)), names.database_nodes(case.name)
    labelled = meta.labels(case.service, meta.DATABASE, capability)
    return _slice(case.service, name, labelled, of, endpoints, ports)


def _callers(case: Case, capability: str) -> Object:
    """Who may call the service, and the addresses of their pods, for the wall around its pods in the other cluster."""
    admitted = consent.consumers(case)
    data = {f"{key.namespace}.{key.name}": " ".join(case.observed.callers.get(key, ())) for key in admitted}
    labelled = meta.labels(case.service, meta.SERVICE, capability)
    return meta.build(case.service, "v1", "ConfigMap", names.callers(case.name), labelled, data=data)


def _endpoint_of(pod: Object, *, ready: bool) -> Object:
    ready = ready and "deletionTimestamp" not in pod["metadata"]
    return {"addresses": [pod["status"]["podIP"]], "conditions": {"ready": ready}}


def _slice(
    service: Service,
    name: str,
    labelled: dict[str, str],
    of: str,
    endpoints: list[Object],
    ports: list[tuple[str, int]],
) -> Object | None:
    """of: the Service whose endpoints these are too; empty: nobody's. None where there is none."""
    if not endpoints:
        return None
    kind = "IPv6" if ":" in endpoints[0]["addresses"][0] else "IPv4"
    labels = {**labelled, **meta.SLICE_MANAGED_BY, **({SERVICE_NAME: of} if of else {})}
    listed = [{"name": known, "port": port, "protocol": "TCP"} for known, port in ports]
    return meta.build(
        service,
        "discovery.k8s.io/v1",
        "EndpointSlice",
        name,
        labels,
        addressType=kind,
        endpoints=endpoints,
        ports=listed,
    )
