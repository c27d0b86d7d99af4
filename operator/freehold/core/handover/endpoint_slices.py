"""Remote endpoints: EndpointSlices with the addresses of pods in another cluster.

Names and labels of a cluster have no meaning in another cluster; pod addresses do, if the pod networks are connected.
Hence the operator keeps EndpointSlices (discovery.k8s.io/v1) with the counterpart's pod addresses, network policies
name addresses, and the source of a move publishes consumers and their pod addresses in a ConfigMap for the destination.
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
"""Label of an EndpointSlice: the Service of the endpoints. A slice without the label belongs to no Service."""


def objects(case: Case, capability: str) -> tuple[Object, ...]:
    """Return the objects for a move between clusters; none without a remote counterpart."""
    other = counterpart.in_remote_cluster(case)
    if other is None:
        return ()
    slices = (_endpoint(case, capability), _servers(case, capability))
    callers = (_callers(case, capability),) if case.observed.aliases.get(case.key) == other else ()
    return (*filter(None, slices), *callers)


def is_attached(case: Case) -> bool:
    """Return whether the service's Service currently has the counterpart's pods as endpoints."""
    live = case.observed.objects.get(Ref("EndpointSlice", names.remote_name(case.name)), {})
    return bool(live.get("metadata", {}).get("labels", {}).get(SERVICE_NAME) == case.name)


def _endpoint(case: Case, capability: str) -> Object | None:
    """Return the counterpart's service pods as an EndpointSlice; attached while the endpoint redirects there."""
    targets = (routing.endpoint_target(case), routing.current_target(case))
    redirected = any(target and remote.is_remote(target.namespace) for target in targets)
    serving = [
        pod for pod in counterpart_pods(case.observed, meta.SERVICE) if meta.PROBE not in pod["metadata"]["labels"]
    ]
    endpoints = [_endpoint_of(pod, ready=pods.is_ready(pod)) for pod in serving]
    spec = case.spec
    ports = [("grpc", spec.grpc.port)] if spec.grpc else []
    ports += [("http", spec.http.port)] if spec.http else []
    labels = meta.labels(case.service, meta.SERVICE, capability)
    attached = case.name if redirected else ""
    return _slice(case.service, names.remote_name(case.name), labels, attached, endpoints, ports)


def _servers(case: Case, capability: str) -> Object | None:
    """Return the counterpart's database instances as an EndpointSlice with host names, for replication."""
    database = case.spec.database
    ports = [(engines.of(database).name, engines.of(database).port)] if database else []
    instances = {pod["metadata"]["name"]: pod for pod in counterpart_pods(case.observed, meta.DATABASE)}
    endpoints = [
        {**_endpoint_of(pod, ready=True), "hostname": names.remote_name(name)}
        for name, pod in instances.items()
        if names.is_instance_pod(case.name, name)
    ]
    name, nodes = names.remote_name(names.database(case.name)), names.database_nodes(case.name)
    labels = meta.labels(case.service, meta.DATABASE, capability)
    return _slice(case.service, name, labels, nodes, endpoints, ports)


def _callers(case: Case, capability: str) -> Object:
    """Return the ConfigMap with consumers and their pod addresses, for the network policy in the other cluster."""
    admitted = consent.consumers(case)
    data = {f"{key.namespace}.{key.name}": " ".join(case.observed.callers.get(key, ())) for key in admitted}
    labels = meta.labels(case.service, meta.SERVICE, capability)
    return meta.build(case.service, "v1", "ConfigMap", names.callers(case.name), labels, data=data)


def _endpoint_of(pod: Object, *, ready: bool) -> Object:
    ready = ready and "deletionTimestamp" not in pod["metadata"]
    return {"addresses": [pod["status"]["podIP"]], "conditions": {"ready": ready}}


def _slice(
    service: Service,
    name: str,
    labels: dict[str, str],
    attached: str,
    endpoints: list[Object],
    ports: list[tuple[str, int]],
) -> Object | None:
    """Return an EndpointSlice, or None without endpoints. attached: the Service of the endpoints; empty for none."""
    if not endpoints:
        return None
    family = _family(endpoints[0])
    labels = {**labels, **meta.SLICE_MANAGED_BY, **({SERVICE_NAME: attached} if attached else {})}
    open_ports = [{"name": label, "port": port, "protocol": "TCP"} for label, port in ports]
    return meta.build(
        service,
        "discovery.k8s.io/v1",
        "EndpointSlice",
        name,
        labels,
        addressType=family,
        endpoints=[endpoint for endpoint in endpoints if _family(endpoint) == family],
        ports=open_ports,
    )


def _family(endpoint: Object) -> str:
    """Return the addressType of an endpoint; a slice has one (discovery.k8s.io/v1)."""
    return "IPv6" if ":" in endpoint["addresses"][0] else "IPv4"
