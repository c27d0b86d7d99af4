"""Bridges: what leads from one cluster to the pods of another, address by address.

Names and labels of one cluster mean nothing in the other; addresses do, where pods of both reach each other. So what
leads to pods there is a list of addresses that the operator keeps (discovery.k8s.io/v1, EndpointSlice), walls name
addresses, and the side whose consumers stay behind tells the other who they are and where their pods stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from freehold.core import clusters, consent, forwards, meta, names, pairs, pods
from freehold.core.model import Key, Object, Observed, Ref, Service

SERVICE_NAME = "kubernetes.io/service-name"
"""Labels a slice with the Service that it is of; without it, it is nobody's."""


def desired(service: Service, observed: Observed, capability: str) -> tuple[Object, ...]:
    """All that a service needs which moves to another cluster, or takes over from one; nothing for any other."""
    other = pairs.far_side(service, observed)
    if other is None:
        return ()
    slices = (_endpoint(service, observed, capability), _servers(service, observed, capability))
    told = (_callers(service, observed, capability),) if observed.forwards.get(service.key) == other else ()
    return (*filter(None, slices), *told)


def stands(service: Service, observed: Observed) -> bool:
    """Whether the service's own name has the pods of the other cluster behind it at this moment."""
    live = observed.objects.get(Ref("EndpointSlice", names.abroad(service.name)), {})
    return bool(live.get("metadata", {}).get("labels", {}).get(SERVICE_NAME) == service.name)


def blocks(addresses: Iterable[str]) -> list[Object]:
    """Each address as the peer of a network policy."""
    return [{"ipBlock": {"cidr": f"{address}/{128 if ':' in address else 32}"}} for address in addresses]


def left_behind(service: Service, observed: Observed) -> Mapping[Key, tuple[str, ...]]:
    """Those in the other cluster who call it by the name it had there, with the addresses of their pods."""
    other = pairs.far_side(service, observed)
    if other is None or observed.forwards.get(other) != service.key:
        return {}
    told = observed.partner.get(Ref("ConfigMap", names.callers(service.name)), {}).get("data", {})
    whose = clusters.cluster(other.namespace)
    found: dict[Key, tuple[str, ...]] = {}
    for named, addresses in sorted(told.items()):
        namespace, _, name = named.partition(".")
        found[Key(clusters.foreign(namespace, whose), name)] = tuple(addresses.split())
    return found


def there(observed: Observed, component: str) -> list[str]:
    """The addresses of the other side's pods of a component, those that are ending among them."""
    return [pod["status"]["podIP"] for pod in _pods(observed, component)]


def _endpoint(service: Service, observed: Observed, capability: str) -> Object | None:
    """What the service's name leads to, once it leads to the other cluster, and until it leads here again."""
    leading = (forwards.leads_to(service, observed), forwards.leads_now(service, observed))
    led = any(target and clusters.is_foreign(target.namespace) for target in leading)
    serving = [pod for pod in _pods(observed, meta.SERVICE) if meta.PROBE not in pod["metadata"]["labels"]]
    endpoints = [_endpoint_of(pod, ready=pods.is_ready(pod)) for pod in serving]
    spec = service.spec
    ports = [("grpc", spec.grpc.port)] if spec.grpc else []
    ports += [("http", spec.http.port)] if spec.http else []
    labelled = meta.labels(service, meta.SERVICE, capability)
    return _slice(service, names.abroad(service.name), labelled, service.name if led else "", endpoints, ports)


def _servers(service: Service, observed: Observed, capability: str) -> Object | None:
    """The names of the database servers there, for those here that copy and follow them."""
    form = names.seat(service.name, 1)
    found = [pod for pod in _pods(observed, meta.DATABASE) if pod["metadata"]["name"].startswith(form)]
    endpoints = [{**_endpoint_of(pod, ready=True), "hostname": names.abroad(pod["metadata"]["name"])} for pod in found]
    name, of = names.abroad(names.database(service.name)), names.database_nodes(service.name)
    labelled = meta.labels(service, meta.DATABASE, capability)
    return _slice(service, name, labelled, of, endpoints, [("postgresql", names.PORT_POSTGRESQL)])


def _callers(service: Service, observed: Observed, capability: str) -> Object:
    """Who may call the service, and the addresses of their pods, for the wall around its pods in the other cluster."""
    admitted = consent.consumers(service, observed)
    data = {f"{key.namespace}.{key.name}": " ".join(observed.callers.get(key, ())) for key in admitted}
    labelled = meta.labels(service, meta.SERVICE, capability)
    return meta.build(service, "v1", "ConfigMap", names.callers(service.name), labelled, data=data)


def _pods(observed: Observed, component: str) -> list[Object]:
    """The other side's pods of a component that have an address."""
    found = (live for ref, live in sorted(observed.partner.items()) if ref.kind == "Pod")
    return [pod for pod in found if pods.component_of(pod) == component and pods.has_address(pod)]


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
    labels = {**labelled, **meta.KEPT_BY, **({SERVICE_NAME: of} if of else {})}
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
