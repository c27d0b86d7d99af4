"""Isolation: network policies that deny all connections of a service's pods except declared ones, port by port.

A service accepts calls from admitted consumers and from the proxies of a Gateway in spec.grpc.expose, and connects to
DNS, its own database, consumed services and spec.egress. A database accepts connections from the service and the
migrations, and opens none.
"""

from __future__ import annotations

from freehold.api.v1alpha1.database import Database
from freehold.core import engines
from freehold.core.database import connection
from freehold.core.isolation import audit, dns
from freehold.core.model import messages, remote
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Key, Object, Observed, Plan, Ref, Service
from freehold.core.objects import meta, names, observer
from freehold.core.peers import consent, counterpart, gateways, remote_callers

CAPABILITY = "isolation"
NAMED = 8
"""Admitted callers named in a message."""


def plan(case: Case) -> Plan:
    """Return the network policies of the service, the database and the migrations.

    Policies have no owner reference: garbage collection would remove a policy before the pods have ended. The operator
    removes a policy once no pods are left.
    """
    if observer.is_audited(case.service):
        findings = audit.findings(case)
        return Plan(CAPABILITY, (), Condition(Type.ISOLATION_ENFORCED, State.FALSE, Reason.AUDIT, findings))
    policies = [_policy(case.service, case.name, meta.SERVICE, _ingress(case), _egress(case))]
    if case.spec.database:
        policies.append(_database_policy(case, case.spec.database))
        if case.spec.database.migrations:
            egress = [dns.rule(case.observed.platform.dns), _to_database(case.service, case.spec.database)]
            policies.append(_policy(case.service, names.migrations(case.name), meta.MIGRATIONS, [], egress))
    proxies = gateways.proxies(case.service)
    callers = (*consent.consumers(case), *remote_callers.remote_consumers(case))
    admitted = messages.listed(map(str, [*callers, *([proxies] if proxies else [])]), NAMED) or "nobody"
    count = "1 network policy denies" if len(policies) == 1 else f"{len(policies)} network policies deny"
    beyond = consent.refused_by_share(case)
    refused = f", and refuses {beyond} beyond the most consumers of a service" if beyond else ""
    message = f"{count} undeclared connections in both directions; gRPC admits {admitted}{refused}"
    condition = Condition(Type.ISOLATION_ENFORCED, State.TRUE, Reason.POLICIES_APPLIED, message)
    if case.observed.dns_closed:
        condition = Condition(Type.ISOLATION_ENFORCED, State.FALSE, Reason.DNS_CLOSED, case.observed.dns_closed)
    return Plan(CAPABILITY, tuple(policies), condition, _still_needed(case))


def _still_needed(case: Case) -> frozenset[Ref]:
    """Return the policies of existing pods, such as the pods of a removed database that have not ended."""
    policies = {
        meta.DATABASE: names.database(case.name),
        meta.MIGRATIONS: names.migrations(case.name),
    }
    components = {pod["metadata"]["labels"].get(meta.COMPONENT) for pod in case.observed.pods}
    return frozenset(Ref("NetworkPolicy", name) for component, name in policies.items() if component in components)


def _policy(service: Service, name: str, component: str, ingress: list[Object], egress: list[Object]) -> Object:
    return meta.network_policy(service, name, component, CAPABILITY, ingress, egress)


def _database_policy(case: Case, database: Database) -> Object:
    """Return the policy of the database pods.

    During a move, instances, database proxy and switchover Job of both sides also reach each other, and the operator
    reaches the progress port.
    """
    moves = connection.is_in_transition(case)
    components = (meta.SERVICE, meta.MIGRATIONS, *([meta.DATABASE] if moves else []))
    other = counterpart.with_database(case) if connection.is_connected(case) else None
    counterparts = _counterpart_pods(other, case.observed) if other else []
    callers = [*(_pods(case.key, component) for component in components), *counterparts]
    port = _tcp(engines.of(database).port)
    ingress = [{"from": callers, "ports": [port]}]
    egress = []
    if moves:
        ingress.append({"from": [_operator(case.observed)], "ports": [_tcp(names.PORT_PROGRESS)]})
        peers = [_pods(case.key, meta.DATABASE), *counterparts]
        egress = [dns.rule(case.observed.platform.dns), {"to": peers, "ports": [port]}]
    return _policy(case.service, names.database(case.name), meta.DATABASE, ingress, egress)


def _counterpart_pods(other: Key, observed: Observed) -> list[Object]:
    """Return the policy peers for the counterpart's database pods, including proxy and switchover Job."""
    if remote.is_remote(other.namespace):
        return remote_callers.ip_blocks(remote_callers.counterpart_addresses(observed, meta.DATABASE))
    return [_pods(other, meta.DATABASE)]


def _operator(observed: Observed) -> Object:
    """Return the policy peer for the operator's pods, which read the progress of a move."""
    namespace = observed.platform.account.partition(":")[0]
    return {
        "namespaceSelector": {"matchLabels": {meta.NAMESPACE_NAME: namespace}},
        "podSelector": {"matchLabels": {meta.NAME: meta.MANAGER, meta.COMPONENT: "operator"}},
    }


def _ingress(case: Case) -> list[Object]:
    allowed: list[Object] = []
    callers = [_pods(key, meta.SERVICE) for key in consent.consumers(case)]
    for addresses in remote_callers.remote_consumers(case).values():
        callers += remote_callers.ip_blocks(addresses)
    if proxies := gateways.proxies(case.service):
        callers.append(proxies.peer)
    # An empty `from` admits every caller (networking.k8s.io/v1), so without consumers no rule is written.
    if case.spec.grpc and callers:
        allowed.append({"from": callers, "ports": [_tcp(case.spec.grpc.port)]})
    if case.spec.http:
        allowed.append({"ports": [_tcp(case.spec.http.port)]})
    return allowed


def _egress(case: Case) -> list[Object]:
    allowed = [dns.rule(case.observed.platform.dns)]
    if case.spec.database:
        allowed.append(_to_database(case.service, case.spec.database))
    for consumed in case.spec.consumes:
        if consent.refusal(case, consumed) is None:
            port = consent.provider_port(case, consumed)
            local = [_pods(key, meta.SERVICE) for key in consent.provider_locations(case, consumed)]
            provider = consent.provider_key(case.service, consumed)
            addresses = remote_callers.ip_blocks(case.observed.remote_targets.get(provider, ()))
            allowed.append({"to": [*local, *addresses], "ports": [_tcp(port)]})
    for block in case.spec.egress:
        ports = [{"protocol": block.protocol, "port": port} for port in block.ports]
        allowed.append({"to": [{"ipBlock": {"cidr": block.cidr}}], "ports": ports})
    return allowed


def _to_database(service: Service, database: Database) -> Object:
    return {"to": [_pods(service.key, meta.DATABASE)], "ports": [_tcp(engines.of(database).port)]}


def _pods(key: Key, component: str) -> Object:
    return {
        "namespaceSelector": {"matchLabels": {meta.NAMESPACE_NAME: key.namespace}},
        "podSelector": {"matchLabels": meta.selector(key.name, component)},
    }


def _tcp(port: int) -> Object:
    return {"protocol": "TCP", "port": port}
