"""Exposure: a route from a Gateway of the Gateway API to the endpoint, for callers from outside the cluster.

The Gateway is somebody else's, and is not looked at: whether it takes the route, its controller says in the route's
status (gateway.networking.k8s.io/v1, RouteParentStatus). Nothing else of the service waits for that.
"""

from __future__ import annotations

from freehold.api.v1alpha1.expose import Expose
from freehold.core.handover import routing
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Key, Object, Plan, Ref, Service
from freehold.core.objects import meta
from freehold.core.peers import gateways

CAPABILITY = "exposure"
MISSING = (
    "the cluster does not serve gateway.networking.k8s.io/v1 GRPCRoute; install the Gateway API (v1.1 or newer), "
    "or take out spec.grpc.expose"
)
MUST_HOLD = ("Accepted", "ResolvedRefs")
"""The conditions of a route that works."""
WAYS_OUT = {
    Reason.NOT_ALLOWED_BY_LISTENERS: (
        "whoever keeps the Gateway can admit GRPCRoutes from namespace {namespace} under allowedRoutes of a listener"
    ),
    Reason.NO_MATCHING_LISTENER_HOSTNAME: (
        "whoever keeps the Gateway can give it a listener for {hostnames}, or spec.grpc.expose.hostnames can name "
        "what it has one for"
    ),
    Reason.NO_MATCHING_PARENT: "correct spec.grpc.expose.gateway: it names a listener that the Gateway does not have",
}
"""What can be done about a refusal; the reasons are the Gateway API's own."""


def plan(case: Case) -> Plan:
    """The route, where the cluster knows such a thing, and what became of it."""
    expose, through = case.spec.grpc and case.spec.grpc.expose, gateways.proxies(case.service)
    if not expose or not through or routing.endpoint_target(case):
        return Plan(CAPABILITY, ())
    if not case.observed.gateway_api:
        return Plan(CAPABILITY, (), Condition(Type.EXPOSED, State.FALSE, Reason.GATEWAY_API_MISSING, MISSING))
    condition = Condition(Type.EXPOSED, *_state(case, expose, through.gateway))
    return Plan(CAPABILITY, (_route(case.service, expose),), condition)


def _route(service: Service, expose: Expose) -> Object:
    assert service.spec.grpc
    spec = {
        "parentRefs": [expose.gateway.model_dump(by_alias=True, exclude_none=True)],
        "hostnames": list(expose.hostnames),
        "rules": [{"backendRefs": [{"name": service.name, "port": service.spec.grpc.port}]}],
    }
    labels = meta.labels(service, meta.SERVICE, CAPABILITY)
    return meta.build(service, "gateway.networking.k8s.io/v1", "GRPCRoute", service.name, labels, spec=spec)


def _state(case: Case, expose: Expose, gateway: Key) -> tuple[State, Reason, str]:
    live = case.observed.objects.get(Ref("GRPCRoute", case.name), {})
    answer = _answer(live, case.service, expose)
    if answer is None:
        said = (
            f"no controller has answered for Gateway {gateway} yet; see that it exists and that its class serves "
            f"GRPCRoutes: kubectl get gateway {gateway.name} --namespace {gateway.namespace}"
        )
        return State.UNKNOWN, Reason.WAITING_FOR_GATEWAY, said
    who = answer.get("controllerName", "its controller")
    given = {c["type"]: c for c in answer.get("conditions", []) if _is_current(c, live)}
    refused = next((given[kind] for kind in MUST_HOLD if kind in given and given[kind]["status"] == "False"), None)
    if refused:
        return _refusal(case.service, expose, f"{who} refuses the route to Gateway {gateway}", refused)
    if not all(kind in given and given[kind]["status"] == "True" for kind in MUST_HOLD):
        return State.UNKNOWN, Reason.WAITING_FOR_GATEWAY, f"{who} has not accepted the route to Gateway {gateway} yet"
    return State.TRUE, Reason.ROUTED, f"{who} routes {', '.join(expose.hostnames)} through Gateway {gateway}"


def _answer(live: Object, service: Service, expose: Expose) -> Object | None:
    """What a controller said of the Gateway that is meant now; what is said of a former one may stay for a while."""
    wanted = (expose.gateway.name, expose.gateway.namespace or service.namespace, expose.gateway.section_name)
    for entry in live.get("status", {}).get("parents", []):
        parent = entry["parentRef"]
        if (parent["name"], parent.get("namespace") or service.namespace, parent.get("sectionName")) == wanted:
            return dict(entry)
    return None


def _is_current(condition: Object, live: Object) -> bool:
    """Whether it was said of the route as it is now; one without a generation is taken to be."""
    return condition.get("observedGeneration") in (None, live["metadata"].get("generation"))


def _refusal(service: Service, expose: Expose, said: str, condition: Object) -> tuple[State, Reason, str]:
    reason = next((known for known in WAYS_OUT if known == condition["reason"]), Reason.ROUTE_REFUSED)
    why = f"{said}: {condition['reason']}: {condition.get('message') or 'it says no more'}"
    way_out = WAYS_OUT.get(reason, "").format(namespace=service.namespace, hostnames=", ".join(expose.hostnames))
    return State.FALSE, reason, f"{why}; {way_out}" if way_out else why
