"""The database of a service: the primary with its volume, and the Services for clients and standbys.

Other instances, as during a move, are planned by `core/relocation`.
"""

from __future__ import annotations

from collections.abc import Iterable

from freehold.api.v1alpha1.database import Database
from freehold.core import engines
from freehold.core.database import location, readiness, statefulset, topology, volume
from freehold.core.database.instance import Instance, refs_of
from freehold.core.engines import Engine
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Object, Plan, Ref, Service
from freehold.core.model.troubles import Trouble, worst
from freehold.core.objects import meta, names, troubles

CAPABILITY = "database"


def plan(case: Case) -> Plan:
    """Return the Services, the volume, and the server once the credentials exist."""
    database = case.spec.database
    if database is None:
        return Plan(CAPABILITY, ())
    condition, status = _condition(case, database), {"database": _summary(case, database)}
    engine = engines.of(database)
    shared = (_account(case.service), _configuration(case.service, engine))
    services = (_client_service(case, engine), _nodes_service(case.service, engine))
    state = topology.of(case)
    keep = _refs(case, (state.candidate, *state.rollback_standbys))
    if location.data_elsewhere(case):
        stale = _refs(case, (state.primary,)) if topology.data_moved_to(case) else frozenset()
        return Plan(CAPABILITY, (*shared, *services), condition, keep | stale, status=status)
    objects: tuple[Object, ...] = (*shared, volume.claim(case, database, state.primary, CAPABILITY), *services)
    if Ref("Secret", names.server_secret(case.name)) in case.observed.objects:
        objects += (statefulset.statefulset(case, database, state.primary, CAPABILITY),)
    else:  # without its credentials a running server is left as it is
        keep |= _refs(case, (state.primary,))
    return Plan(CAPABILITY, objects, condition, keep, volume.replaceable_claims(case, database), status)


def _refs(case: Case, instances: Iterable[Instance | None]) -> frozenset[Ref]:
    return frozenset(ref for instance in instances if instance for ref in refs_of(case.service, instance))


def _summary(case: Case, database: Database) -> str:
    """Return engine, version and the size of the volume, for tables."""
    return f"{database.engine} {database.version}, {volume.size(case, database)}"


def _configuration(service: Service, engine: Engine) -> Object:
    return meta.build(
        service,
        "v1",
        "ConfigMap",
        names.database_configuration(service.name),
        meta.labels(service, meta.DATABASE, CAPABILITY),
        data=dict(engine.files()),
    )


def _account(service: Service) -> Object:
    return meta.build(
        service,
        "v1",
        "ServiceAccount",
        names.database(service.name),
        meta.labels(service, meta.DATABASE, CAPABILITY),
        automountServiceAccountToken=False,
    )


def _service(service: Service, engine: Engine, name: str, chosen: dict[str, str], **spec: object) -> Object:
    port = {"name": engine.name, "port": engine.port, "targetPort": engine.name, "protocol": "TCP"}
    body = {"selector": {**meta.selector(service.name, meta.DATABASE), **chosen}, "ports": [port], **spec}
    labels = meta.labels(service, meta.DATABASE, CAPABILITY)
    return meta.build(service, "v1", "Service", name, labels, spec=body)


def _client_service(case: Case, engine: Engine) -> Object:
    """Return the Service for clients, with a name that never changes and one pod."""
    chosen = {meta.POD_NAME: topology.client_pod(case)}
    return _service(case.service, engine, names.database(case.name), chosen, type="ClusterIP")


def _nodes_service(service: Service, engine: Engine) -> Object:
    headless = {"clusterIP": "None", "publishNotReadyAddresses": True}
    return _service(service, engine, names.database_nodes(service.name), {}, **headless)


def _condition(case: Case, database: Database) -> Condition:
    state, reason, message = _state(case, database)
    return Condition(Type.DATABASE_READY, state, reason, message)


def _state(case: Case, database: Database) -> tuple[State, Reason, str]:
    if elsewhere := location.data_elsewhere(case):
        return elsewhere
    if trouble := _trouble(case, database):
        return State.FALSE, *trouble
    title, growth = engines.describe(database), volume.growth(case, database)
    if readiness.database_ready(case):
        host = names.host(names.database(case.name), case.namespace)
        serves = f"{title} serves at {host}:{engines.of(database).port}"
        if growth:
            return State.TRUE, Reason.VOLUME_GROWING, f"{serves}; {growth}"
        return State.TRUE, Reason.READY, serves
    claim = volume.primary_claim(case)
    if claim and not volume.is_bound(claim):
        return State.UNKNOWN, Reason.VOLUME_PENDING, _unbound(claim)
    waiting = f"waiting for {title} to accept connections"
    return State.UNKNOWN, Reason.STARTING, f"{waiting}; {growth}" if growth else waiting


def _trouble(case: Case, database: Database) -> Trouble | None:
    """Return the worst trouble of the primary's volume, pod and StatefulSet. A pod that is leaving counts as well: on a
    lost node it keeps the next one from starting."""
    number = topology.primary(case).number
    name, server = names.instance_pod(case.name, number), Ref("StatefulSet", names.instance(case.name, number))
    own = [pod for pod in case.observed.pods if pod["metadata"]["name"] == name]
    refusal = troubles.of_creation(case.observed, server)
    return worst((volume.trouble(case, database), troubles.of_pods(own, case.observed), refusal))


def _unbound(claim: Object) -> str:
    name, class_name = claim["metadata"]["name"], claim["spec"].get("storageClassName", "the default")
    state = f"no volume is bound to claim {name}; waiting for storage class {class_name}"
    return f"{state}; if this lasts, kubectl describe persistentvolumeclaim {name} -n {claim['metadata']['namespace']}"
