"""The database of a service: the primary with its volume, and the Services for clients and standbys.

Other instances, as during a move, are planned by `core/relocation`.
"""

from __future__ import annotations

from collections.abc import Iterable

from freehold.api.v1alpha1.database import Database
from freehold.core import engines
from freehold.core.database import location, loss, readiness, record, statefulset, topology, turn, volume
from freehold.core.database.instance import Instance, refs_of
from freehold.core.database.record import Record
from freehold.core.engines import Engine
from freehold.core.model import quantities
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.quantities import as_number
from freehold.core.model.resources import Object, Plan, Ref, Service
from freehold.core.model.troubles import Trouble, worst
from freehold.core.objects import meta, names, troubles

CAPABILITY = "database"
VOLUME_SIZE = "volume-mebibytes"
"""A file of the server, outside the pod template: a larger volume restarts no server."""


def plan(case: Case) -> Plan:
    """Return the Services, the volume, and the server once the credentials exist."""
    database = case.spec.database
    known = _known_data(case)
    recorded = {"data": known.to_status()} if known else {}
    if database is None:
        return Plan(CAPABILITY, (), status=recorded)
    condition, status = _condition(case, database), {"database": _summary(case, database), **recorded}
    engine = engines.of(database)
    shared = (_account(case.service), _configuration(case, database, engine, known))
    services = (_client_service(case, engine), _nodes_service(case.service, engine))
    state = topology.of(case)
    keep = _refs(case, (state.candidate, *state.rollback_standbys)) | turn.held(case)
    if loss.found(case):
        kept, replaced = _after_loss(case)
        return Plan(CAPABILITY, (*shared, *services), condition, kept, replaced, status)
    if location.data_elsewhere(case):
        stale = _refs(case, (state.primary,)) if topology.data_moved_to(case) else frozenset()
        return Plan(CAPABILITY, (*shared, *services), condition, keep | stale, status=status)
    objects: tuple[Object, ...] = (*shared, volume.claim(case, database, state.primary, CAPABILITY), *services)
    if _may_change_server(case):
        objects += (statefulset.statefulset(case, database, state.primary, CAPABILITY),)
    else:
        keep |= _refs(case, (state.primary,))
    objects, again = turn.without(turn.held(case), objects), turn.seconds_until_stopped(case)
    return Plan(
        CAPABILITY,
        objects,
        condition,
        keep,
        volume.replaceable_claims(case, database),
        status,
        again if again and again > 0 else None,
        turn=turn.of(case),
    )


def _after_loss(case: Case) -> tuple[frozenset[Ref], frozenset[Ref]]:
    """Return what to keep and which claims to remove after a loss of the data: all is kept until the loss is accepted;
    then the primary's claim and server are removed, and created anew once they are gone."""
    instances = topology.local_instances(case)
    if not record.is_accepted(case):
        return _refs(case, instances), frozenset()
    others = (instance for instance in instances if instance != topology.primary(case))
    return _refs(case, others), volume.lost_claims(case)


def _known_data(case: Case) -> Record | None:
    """Return the record of the data: of the primary's claim, once the server is ready, or after a switchover.

    None before, and while the data is in another namespace or cluster.
    """
    primary, known = topology.primary(case), record.current(case)
    if primary.counterpart or topology.data_moved_to(case):
        return None
    switched = known is not None and primary.epoch > known.epoch
    if not primary.claim or not primary.holds_data or not (switched or readiness.database_ready(case)):
        return known
    metadata, volume_name = primary.claim["metadata"], primary.claim["spec"].get("volumeName", "")
    since = known.since if known else quantities.timestamp(case.observed.now)
    return Record(primary.number, metadata["name"], metadata["uid"], volume_name, primary.epoch, since)


def _may_change_server(case: Case) -> bool:
    """Return whether the primary's server may be created or changed: not without its credentials, and not while its
    claim is being deleted, since the data goes with the server's next stop."""
    has_credentials = Ref("Secret", names.server_secret(case.name)) in case.observed.objects
    return has_credentials and not volume.is_being_deleted(volume.primary_claim(case))


def _refs(case: Case, instances: Iterable[Instance | None]) -> frozenset[Ref]:
    return frozenset(ref for instance in instances if instance for ref in refs_of(case.service, instance))


def _summary(case: Case, database: Database) -> str:
    """Return engine, version and the size of the volume, for tables."""
    return f"{database.engine} {database.version}, {volume.size(case, database)}"


def _configuration(case: Case, database: Database, engine: Engine, known: Record | None) -> Object:
    """Return the ConfigMap of the server's files, the declared size of the volume in MiB, and the recorded pod.

    All are read at a start. known: the record of the data.
    """
    size = {VOLUME_SIZE: str(int(as_number(database.storage.size) / 2**20))}
    recorded = {names.RECORDED: names.instance_pod(case.name, known.number)} if known else {}
    return meta.build(
        case.service,
        "v1",
        "ConfigMap",
        names.database_configuration(case.name),
        meta.labels(case.service, meta.DATABASE, CAPABILITY),
        data={**engine.files(), **size, **recorded},
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
    note = turn.note(case)
    return Condition(Type.DATABASE_READY, state, reason, f"{message}; {note}" if note else message)


def _state(case: Case, database: Database) -> tuple[State, Reason, str]:
    if stated := loss.condition(case) or location.data_elsewhere(case):
        return stated
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
    of_volume = (volume.full(case, own), volume.trouble(case, database))
    return worst((*of_volume, troubles.of_pods(own, case.observed), troubles.of_creation(case.observed, server)))


def _unbound(claim: Object) -> str:
    name, class_name = claim["metadata"]["name"], claim["spec"].get("storageClassName", "the default")
    state = f"no volume is bound to claim {name}; waiting for storage class {class_name}"
    return f"{state}; if this lasts, kubectl describe persistentvolumeclaim {name} -n {claim['metadata']['namespace']}"
