"""The database: one PostgreSQL server that serves one service, on a volume of its own.

Where a service has more than one for a while, as during a move, this is about the one that owns the data.
"""

from __future__ import annotations

from freehold.api.v1alpha1.database import Database
from freehold.core import engines
from freehold.core.database import location, readiness, statefulset, topology, volume
from freehold.core.engines import Engine
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Object, Plan, Ref, Service
from freehold.core.objects import meta, names, pods

CAPABILITY = "database"


def plan(case: Case) -> Plan:
    """The volume, the Services and, once its credentials are there, the server."""
    database = case.spec.database
    if database is None:
        return Plan(CAPABILITY, ())
    every, condition = topology.of(case), _condition(case, database)
    engine = engines.of(database)
    stands_on: tuple[Object, ...] = (_account(case.service), _configuration(case.service, engine))
    called = (_client_service(case, engine), _nodes_service(case.service, engine))
    others = (instance for instance in (every.candidate, *every.rollback_standbys) if instance and not instance.abroad)
    keep = frozenset(ref for instance in others for ref in topology.refs_of(case.service, instance))
    if location.data_elsewhere(case):
        left = topology.refs_of(case.service, every.primary) if topology.data_moved_to(case) else frozenset()
        return Plan(CAPABILITY, (*stands_on, *called), condition, keep | left)
    discard = volume.replaceable_claims(case, database)
    claim = volume.claim(case, database, every.primary, CAPABILITY)
    objects = (*stands_on, claim, *called)
    if Ref("Secret", names.server_secret(case.name)) in case.observed.objects:
        objects += (statefulset.statefulset(case, database, every.primary, CAPABILITY),)
    else:  # a server that runs goes on as it is
        keep |= topology.refs_of(case.service, every.primary)
    return Plan(CAPABILITY, objects, condition, keep, discard)


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
    """The name that never changes; it leads to one pod."""
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
    running = topology.server_pods(case, topology.primary(case))
    trouble = volume.trouble(case, database) or pods.trouble(running, case.observed)
    if trouble:
        return State.FALSE, *trouble
    where = f"{names.host(names.database(case.name), case.namespace)}:{engines.of(database).port}"
    if readiness.database_ready(case):
        return State.TRUE, Reason.READY, f"{engines.describe(database)} serves at {where}"
    claim = volume.primary_claim(case)
    if claim and not volume.is_bound(claim):
        name = claim["spec"].get("storageClassName", "the default")
        said = f"waiting for storage class {name} to provide {claim['metadata']['name']}, {database.storage.size}"
        return State.UNKNOWN, Reason.VOLUME_PENDING, said
    return State.UNKNOWN, Reason.STARTING, f"waiting for {engines.describe(database)} to accept connections"
