"""The volume of a database: claimed once, grown where the storage class allows, and removed by a person alone."""

from __future__ import annotations

from freehold.api.v1alpha1.database import Database, DeletionPolicy
from freehold.core.database import record, topology
from freehold.core.database.instance import FIRST, Instance
from freehold.core.model.case import Case
from freehold.core.model.conditions import Reason
from freehold.core.model.quantities import as_number
from freehold.core.model.resources import Object, Observed, Ref
from freehold.core.model.troubles import Trouble
from freehold.core.objects import meta, names

OWNERSHIP = (meta.EPOCH, meta.PROMOTED_AT, meta.WRITE_PAUSE, meta.DATASET_ID, meta.DATA_MOVED_TO)
"""Annotations of a claim that record which instance is primary."""
NO_SPACE = "No space left on device"
"""The text of error ENOSPC, in the log of a server that has ended for a full volume (errno(3))."""
RESIZING, FILE_SYSTEM_PENDING = "Resizing", "FileSystemResizePending"
"""Conditions of a claim during an expansion (core/v1, PersistentVolumeClaimConditionType)."""


def claim(
    case: Case,
    database: Database,
    instance: Instance,
    capability: str,
    annotations: dict[str, str] | None = None,
) -> Object:
    """Return the claim of an instance. With Retain the claim has no owner, so that only a person removes it.

    annotations: the ownership annotations; by default those of the live claim. The API server refuses a change of the
    storage class and an expansion that the class does not allow, so both keep their live values then.
    """
    live = instance.claim
    size = _request(live) if live and not _can_resize(live, database, case.observed) else database.storage.size
    spec: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    if class_name := _class_to_claim(case, database, instance):
        spec["storageClassName"] = class_name
    body = meta.build(
        case.service,
        "v1",
        "PersistentVolumeClaim",
        names.instance_volume(case.name, instance.number),
        meta.labels(case.service, meta.DATABASE, capability),
        owned=database.deletion_policy is DeletionPolicy.DELETE,
        spec=spec,
    )
    record = annotations or {key: value for key in OWNERSHIP if (value := instance.annotation(key))}
    if instance.number != FIRST:
        record.setdefault(meta.EPOCH, "1")
    return meta.annotated(body, record)


def _class_to_claim(case: Case, database: Database, instance: Instance) -> str | None:
    """Return the storage class for a claim; None leaves the choice to the cluster."""
    live, wanted = instance.claim, database.storage.class_name
    if live is None:
        return wanted or topology.primary(case).location.class_name  # a move keeps the class unless another is wanted
    # Without its class in the request, server-side apply would remove the class, which the API server refuses.
    keeps = _has_other_class(live, database) or (not wanted and instance.annotation(meta.EPOCH))
    return _class(live) if keeps else wanted


def primary_claim(case: Case) -> Object | None:
    """Return the live claim of the primary."""
    return topology.primary(case).claim


def replaceable_claims(case: Case, database: Database) -> frozenset[Ref]:
    """Return the primary's claim if it was never bound and its storage class is not the wanted one: it holds no
    data."""
    live = primary_claim(case)
    if live is None or is_bound(live) or record.current(case) or not _has_other_class(live, database):
        return frozenset()
    return frozenset({Ref("PersistentVolumeClaim", live["metadata"]["name"])})


def lost_claims(case: Case) -> frozenset[Ref]:
    """Return the primary's claim, whose data is lost and whose loss was accepted, unless it is being deleted."""
    live = primary_claim(case)
    if live is None or is_being_deleted(live):
        return frozenset()
    return frozenset({Ref("PersistentVolumeClaim", live["metadata"]["name"])})


def is_bound(live: Object) -> bool:
    """Return whether a volume is bound to the claim."""
    return bool(live.get("status", {}).get("phase") == "Bound")


def is_being_deleted(live: Object | None) -> bool:
    """Return whether somebody has deleted the claim, which exists until no pod uses it."""
    return bool(live and "deletionTimestamp" in live["metadata"])


def size(case: Case, database: Database) -> str:
    """Return the size of the primary's volume, or the wanted size before a volume is bound."""
    live = primary_claim(case)
    return _capacity(live) if live and is_bound(live) else database.storage.size


def trouble(case: Case, database: Database) -> Trouble | None:
    """Return a problem of the primary's volume that a person has to solve."""
    live = primary_claim(case)
    if live is None or not is_bound(live):
        return storage_class_trouble(database, case.observed)
    if is_being_deleted(live):
        return Trouble(Reason.VOLUME_BEING_DELETED, _deletion(case, live))
    if not _can_resize(live, database, case.observed):
        return Trouble(Reason.VOLUME_CANNOT_GROW, _resize_obstacle(live, database))
    return None


def _deletion(case: Case, live: Object) -> str:
    """Return what the deletion of the primary's claim means, and the action to take."""
    name, pod = live["metadata"]["name"], names.instance_pod(case.name, topology.primary(case).number)
    cause = f"the data goes with the claim when pod {pod} next stops; changes of the server wait"
    action = "copy the data now, or move the service to other nodes or another storage class"
    return f"volume claim {name} is being deleted, which cannot be taken back; {cause}; {action}"


def full(case: Case, server_pods: list[Object]) -> Trouble | None:
    """Return the action that frees a server which does not start because its volume is full; None for any other."""
    live = primary_claim(case)
    if live is None or not is_bound(live) or not any(map(_has_ended_for_space, server_pods)):
        return None
    state = f"volume {live['metadata']['name']} of {_capacity(live)} is full, and the server does not start"
    if _class(live) in {c.name for c in case.observed.storage_classes if c.expandable}:
        return Trouble(Reason.VOLUME_FULL, f"{state}; raise spec.database.storage.size, and the volume grows")
    cause = f"storage class {_class(live)} does not allow expansion"
    action = "set allowVolumeExpansion: true on the class and raise spec.database.storage.size"
    other = "once the server runs again, read-only, a larger size and another className move the data"
    return Trouble(Reason.VOLUME_FULL, f"{state}; {cause}; {action}; or {other}")


def _has_ended_for_space(pod: Object) -> bool:
    statuses = (status for status in pod.get("status", {}).get("containerStatuses", []) if not status.get("ready"))
    states = (status.get(key, {}) for status in statuses for key in ("state", "lastState"))
    return any(NO_SPACE in state.get("terminated", {}).get("message", "") for state in states)


def _resize_obstacle(live: Object, database: Database) -> str:
    """Return why the claim cannot take the wanted size, and the action to take."""
    present, wanted = _capacity(live), database.storage.size
    if as_number(wanted) < as_number(_request(live)):
        state = f"the volume has {present}, and spec.database.storage.size is {wanted}"
        return f"{state}; a volume cannot shrink; set the size to {_request(live)}"
    state = f"the volume has {present} and cannot grow to {wanted}"
    cause = f"storage class {_class(live)} does not allow expansion"
    return f"{state}; {cause}; set allowVolumeExpansion: true on the class, or move to a class that has it"


def growth(case: Case, database: Database) -> str:
    """Return the state of an expansion of the primary's volume; empty if none is under way.

    The conditions Resizing and FileSystemResizePending of the claim say whether the storage provider or the node is
    at work (kubernetes.io/docs/concepts/storage/persistent-volumes, 'Expanding Persistent Volumes Claims').
    """
    live = primary_claim(case)
    if live is None or not is_bound(live) or as_number(_capacity(live)) >= as_number(database.storage.size):
        return ""
    state = f"the volume grows from {_capacity(live)} to {database.storage.size}"
    active = {c["type"] for c in live["status"].get("conditions", []) if c.get("status") == "True"}
    if FILE_SYSTEM_PENDING in active:
        server = names.instance(case.name, topology.primary(case).number)
        cause = f"the node is to expand the file system ({FILE_SYSTEM_PENDING})"
        return f"{state}; {cause}; if this lasts, kubectl rollout restart statefulset {server} -n {case.namespace}"
    provider = "the storage provider expands the volume (Resizing)" if RESIZING in active else ""
    action = f"kubectl describe persistentvolumeclaim {live['metadata']['name']} -n {case.namespace}"
    return f"{state}; {provider or 'the storage provider has not started yet'}; if this lasts, {action}"


def too_small_for(database: Database, source: Instance) -> str:
    """Return why a volume of the wanted size cannot take the data of an instance; empty if it can."""
    needed = _request(source.claim) if source.claim else "0"
    if as_number(database.storage.size) >= as_number(needed):
        return ""
    state = f"the volume of the data has {needed}, and spec.database.storage.size here is {database.storage.size}"
    return f"{state}; raise the size to at least {needed}"


def _request(live: Object) -> str:
    return str(live["spec"]["resources"]["requests"]["storage"])


def _capacity(live: Object) -> str:
    """Return the size of a bound volume; its request, until the claim's status reports a capacity."""
    return str(live["status"].get("capacity", {}).get("storage") or _request(live))


def _class(live: Object) -> str | None:
    name = live["spec"].get("storageClassName")
    return str(name) if name else None


def _has_other_class(live: Object, database: Database) -> bool:
    """Return whether the spec names another storage class than the claim's."""
    return database.storage.class_name is not None and database.storage.class_name != _class(live)


def _can_resize(live: Object, database: Database, observed: Observed) -> bool:
    """Return whether the claim's request may become the wanted size."""
    present, wanted = as_number(_request(live)), as_number(database.storage.size)
    expandable = {c.name for c in observed.storage_classes if c.expandable}
    return present == wanted or (wanted > present and _class(live) in expandable)


def storage_class_trouble(database: Database, observed: Observed) -> Trouble | None:
    """Return why the wanted storage class cannot be used."""
    wanted = database.storage.class_name
    known = ", ".join(f"{c.name} (default)" if c.default else c.name for c in observed.storage_classes)
    has = f"the cluster has: {known}" if known else "the cluster has none"
    if wanted and wanted not in {c.name for c in observed.storage_classes}:
        return Trouble(Reason.STORAGE_CLASS_MISSING, f"storage class {wanted} does not exist; {has}")
    if not wanted and not any(c.default for c in observed.storage_classes):
        state = "the cluster has no default storage class; name one under spec.database.storage.className"
        return Trouble(Reason.STORAGE_CLASS_MISSING, f"{state}; {has}")
    return None
