"""Isolation: every pod of a service is closed both ways, but for what is declared, port by port.

A service takes calls from its admitted consumers and from the proxies of a Gateway that exposes it. It reaches DNS, its
own database, the services it consumes, and outside the cluster what it names. Its database takes connections from the
service and its migrations, and opens none.
"""

from __future__ import annotations

from freehold.api.v1alpha1.database import Database
from freehold.core import engines
from freehold.core.database import topology
from freehold.core.isolation import audit
from freehold.core.model import remote
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Key, Object, Observed, Plan, Ref, Service
from freehold.core.objects import meta, names, observer
from freehold.core.peers import consent, counterpart, gateways, remote_callers

CAPABILITY = "isolation"
DNS_PODS = {
    "namespaceSelector": {"matchLabels": {meta.NAMESPACE_NAME: "kube-system"}},
    "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
}
DNS_ON_THE_NODE = {"ipBlock": {"cidr": "169.254.20.10/32"}}
"""The address of a node-local DNS cache (kubernetes.io/docs/tasks/administer-cluster/nodelocaldns)."""


def plan(case: Case) -> Plan:
    """A policy for the service, and one each for its database and its migrations where it has them.

    None has an owner: the cluster would remove it with the resource, before the pods that it holds have ended. It is
    removed once they have.
    """
    if observer.is_audited(case.service):
        said = audit.findings(case)
        return Plan(CAPABILITY, (), Condition(Type.ISOLATION_ENFORCED, State.FALSE, Reason.AUDIT, said))
    policies = [_policy(case.service, case.name, meta.SERVICE, _ingress(case), _egress(case))]
    if case.spec.database:
        policies.append(_database_policy(case, case.spec.database))
        if case.spec.database.migrations:
            own = [_dns(), _to_database(case.service, case.spec.database)]
            policies.append(_policy(case.service, names.migrations(case.name), meta.MIGRATIONS, [], own))
    through = gateways.proxies(case.service)
    callers = (*consent.consumers(case), *remote_callers.remote_consumers(case))
    admitted = ", ".join(map(str, [*callers, *([through] if through else [])])) or "nobody"
    walls = "1 network policy denies" if len(policies) == 1 else f"{len(policies)} network policies deny"
    said = f"{walls} all that is not declared, both ways; gRPC admits {admitted}"
    condition = Condition(Type.ISOLATION_ENFORCED, State.TRUE, Reason.POLICIES_APPLIED, said)
    return Plan(CAPABILITY, tuple(policies), condition, _still_needed(case))


def _still_needed(case: Case) -> frozenset[Ref]:
    """The policies of pods that are there, as of a database that was given up and has not ended yet."""
    policies = {
        meta.DATABASE: names.database(case.name),
        meta.MIGRATIONS: names.migrations(case.name),
    }
    components = {pod["metadata"]["labels"].get(meta.COMPONENT) for pod in case.observed.pods}
    return frozenset(Ref("NetworkPolicy", name) for component, name in policies.items() if component in components)


def _policy(service: Service, name: str, component: str, ingress: list[Object], egress: list[Object]) -> Object:
    return meta.network_policy(service, name, component, CAPABILITY, ingress, egress)


def _database_policy(case: Case, database: Database) -> Object:
    """While there is more than one server, they and what moves the data reach each other, on either side of a move, and
    nobody else."""
    moves = topology.is_in_transition(case)
    parts = (meta.SERVICE, meta.MIGRATIONS, *([meta.DATABASE] if moves else []))
    other = counterpart.with_database(case)
    there = _across(other, case.observed) if other else []
    callers = [*(_pods(case.key, part) for part in parts), *there]
    listens = _tcp(engines.of(database).port)
    ingress = [{"from": callers, "ports": [listens]}]
    egress = []
    if moves:
        ingress.append({"from": [_operator(case.observed)], "ports": [_tcp(names.PORT_PROGRESS)]})
        to = [_pods(case.key, meta.DATABASE), *there]
        egress = [_dns(), {"to": to, "ports": [listens]}]
    return _policy(case.service, names.database(case.name), meta.DATABASE, ingress, egress)


def _across(other: Key, observed: Observed) -> list[Object]:
    """The database servers on the other side of a move, and what moves the data there."""
    if remote.is_remote(other.namespace):
        return remote_callers.ip_blocks(remote_callers.counterpart_addresses(observed, meta.DATABASE))
    return [_pods(other, meta.DATABASE)]


def _operator(observed: Observed) -> Object:
    """The operator's pods, to which a move tells how far it is."""
    namespace = observed.platform.account.partition(":")[0]
    return {
        "namespaceSelector": {"matchLabels": {meta.NAMESPACE_NAME: namespace}},
        "podSelector": {"matchLabels": {meta.NAME: meta.MANAGER, meta.COMPONENT: "operator"}},
    }


def _ingress(case: Case) -> list[Object]:
    allowed: list[Object] = []
    callers = [_pods(key, meta.SERVICE) for key in consent.consumers(case)]
    callers += [
        block for there in remote_callers.remote_consumers(case).values() for block in remote_callers.ip_blocks(there)
    ]
    if through := gateways.proxies(case.service):
        callers.append(through.peer)
    # An empty `from` would admit everybody (networking.k8s.io/v1), so without consumers there is no rule at all.
    if case.spec.grpc and callers:
        allowed.append({"from": callers, "ports": [_tcp(case.spec.grpc.port)]})
    if case.spec.http:
        allowed.append({"ports": [_tcp(case.spec.http.port)]})
    return allowed


def _egress(case: Case) -> list[Object]:
    allowed = [_dns()]
    if case.spec.database:
        allowed.append(_to_database(case.service, case.spec.database))
    for consumed in case.spec.consumes:
        if consent.refusal(case, consumed) is None:
            port = consent.provider_port(case, consumed)
            near = [_pods(key, meta.SERVICE) for key in consent.provider_locations(case, consumed)]
            far = remote_callers.ip_blocks(
                case.observed.remote_targets.get(consent.provider_key(case.service, consumed), ())
            )
            allowed.append({"to": [*near, *far], "ports": [_tcp(port)]})
    for outside in case.spec.egress:
        ports = [{"protocol": outside.protocol, "port": port} for port in outside.ports]
        allowed.append({"to": [{"ipBlock": {"cidr": outside.cidr}}], "ports": ports})
    return allowed


def _to_database(service: Service, database: Database) -> Object:
    return {"to": [_pods(service.key, meta.DATABASE)], "ports": [_tcp(engines.of(database).port)]}


def _dns() -> Object:
    ports = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    return {"to": [DNS_PODS, DNS_ON_THE_NODE], "ports": ports}


def _pods(key: Key, component: str) -> Object:
    return {
        "namespaceSelector": {"matchLabels": {meta.NAMESPACE_NAME: key.namespace}},
        "podSelector": {"matchLabels": meta.selector(key.name, component)},
    }


def _tcp(port: int) -> Object:
    return {"protocol": "TCP", "port": port}
