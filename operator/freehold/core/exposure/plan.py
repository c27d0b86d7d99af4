"""The GRPCRoute from a Gateway to the endpoint, for callers outside the cluster.

The Gateway belongs to others and is not read. The Gateway's controller reports in the status of the route whether the
route is accepted (gateway.networking.k8s.io/v1, RouteParentStatus). No other capability waits for the route.
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
    "or remove spec.grpc.expose"
)
MUST_HOLD = ("Accepted", "ResolvedRefs")
"""The conditions of a working route."""
ACTIONS = {
    Reason.NOT_ALLOWED_BY_LISTENERS: (
        "the owner of the Gateway must admit GRPCRoutes from namespace {namespace} under allowedRoutes of a listener"
    ),
    Reason.NO_MATCHING_LISTENER_HOSTNAME: (
        "the owner of the Gateway must add a listener for {hostnames}, or spec.grpc.expose.hostnames must name "
        "hostnames of an existing listener"
    ),
    Reason.NO_MATCHING_PARENT: "correct spec.grpc.expose.gateway: the Gateway does not have the named listener",
}
"""The action for each refusal; the reasons are those of the Gateway API."""


def plan(case: Case) -> Plan:
    """Return the route, if the cluster serves the Gateway API, and condition Exposed."""
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
        message = (
            f"no controller has answered for Gateway {gateway} yet; check that the Gateway exists and that its class "
            f"serves GRPCRoutes: kubectl get gateway {gateway.name} --namespace {gateway.namespace}"
        )
        return State.UNKNOWN, Reason.WAITING_FOR_GATEWAY, message
    controller = answer.get("controllerName", "the controller")
    conditions = {c["type"]: c for c in answer.get("conditions", []) if _is_current(c, live)}
    required = [conditions.get(kind, {}) for kind in MUST_HOLD]
    refused = next((c for c in required if c.get("status") == "False"), None)
    if refused:
        return _refusal(case.service, expose, f"{controller} refuses the route to Gateway {gateway}", refused)
    if not all(c.get("status") == "True" for c in required):
        message = f"{controller} has not accepted the route to Gateway {gateway} yet"
        return State.UNKNOWN, Reason.WAITING_FOR_GATEWAY, message
    return State.TRUE, Reason.ROUTED, f"{controller} routes {', '.join(expose.hostnames)} through Gateway {gateway}"


def _answer(live: Object, service: Service, expose: Expose) -> Object | None:
    """Return the controller's entry for the declared Gateway; entries for former Gateways may remain for a while."""
    wanted = (expose.gateway.name, expose.gateway.namespace or service.namespace, expose.gateway.section_name)
    for entry in live.get("status", {}).get("parents", []):
        parent = entry["parentRef"]
        if (parent["name"], parent.get("namespace") or service.namespace, parent.get("sectionName")) == wanted:
            return dict(entry)
    return None


def _is_current(condition: Object, live: Object) -> bool:
    """Return whether a condition is about the current generation of the route, or has no generation."""
    return condition.get("observedGeneration") in (None, live["metadata"].get("generation"))


def _refusal(service: Service, expose: Expose, summary: str, condition: Object) -> tuple[State, Reason, str]:
    reason = next((known for known in ACTIONS if known == condition["reason"]), Reason.ROUTE_REFUSED)
    message = f"{summary}: {condition['reason']}: {condition.get('message') or 'no message'}"
    action = ACTIONS.get(reason, "").format(namespace=service.namespace, hostnames=", ".join(expose.hostnames))
    return State.FALSE, reason, f"{message}; {action}" if action else message
