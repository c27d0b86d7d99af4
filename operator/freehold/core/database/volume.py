"""The volume that holds a database's data: claimed once, grown where it can be, and removed by a person alone."""

from __future__ import annotations

from freehold.api.v1alpha1.database import Database, DeletionPolicy
from freehold.core.database import topology
from freehold.core.database.instance import FIRST, Instance
from freehold.core.model.case import Case
from freehold.core.model.conditions import Reason
from freehold.core.model.quantities import as_number
from freehold.core.model.resources import Object, Observed, Ref
from freehold.core.objects import meta, names
from freehold.core.objects.pods import Trouble

OWNERSHIP = (meta.EPOCH, meta.PROMOTED_AT, meta.WRITE_PAUSE, meta.DATASET_ID, meta.DATA_MOVED_TO)
"""What a claim says of whose the data is."""


def claim(
    case: Case,
    database: Database,
    instance: Instance,
    capability: str,
    annotations: dict[str, str] | None = None,
) -> Object:
    """What is claimed; with Retain it has no owner, so that nothing but a person removes it. annotations: of whose the
    data is; left out, what the live claim says.

    Where the live claim can be neither grown nor moved it is asked for as it is, for the API server would refuse.
    """
    live, storage = instance.claim, database.storage
    spec: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage.size}}}
    # Left out, a class that was asked for once would be taken back, which the API server refuses as well.
    asked = _class(live) if live and _has_other_class(live, database) else storage.class_name
    if not asked and live is None:
        asked = topology.primary(case).place.class_name  # where any will do, a move keeps the one there is
    elif live and not asked and instance.annotation(meta.EPOCH):
        asked = _class(live)
    if asked:
        spec["storageClassName"] = asked
    if live and not _can_resize(live, database, case.observed):
        spec["resources"] = {"requests": {"storage": _size(live)}}
    body = meta.build(
        case.service,
        "v1",
        "PersistentVolumeClaim",
        names.instance_volume(case.name, instance.number),
        meta.labels(case.service, meta.DATABASE, capability),
        owned=database.deletion_policy is DeletionPolicy.DELETE,
        spec=spec,
    )
    said = annotations or {key: value for key in OWNERSHIP if (value := instance.annotation(key))}
    if instance.number != FIRST:
        said.setdefault(meta.EPOCH, "1")
    return {**body, "metadata": {**body["metadata"], **({"annotations": said} if said else {})}}


def primary_claim(case: Case) -> Object | None:
    """The live claim of the server that owns the data."""
    return topology.primary(case).claim


def replaceable_claims(case: Case, database: Database) -> frozenset[Ref]:
    """The live claim, while it waits for a class that is no longer asked for: it holds nothing and may be made anew."""
    live = primary_claim(case)
    if live is None or is_bound(live) or not _has_other_class(live, database):
        return frozenset()
    return frozenset({Ref("PersistentVolumeClaim", live["metadata"]["name"])})


def is_bound(live: Object) -> bool:
    """Whether there is a volume behind the claim."""
    return bool(live.get("status", {}).get("phase") == "Bound")


def trouble(case: Case, database: Database) -> Trouble | None:
    """What is the matter with the volume, and what its owner can do."""
    live = primary_claim(case)
    if live is None or not is_bound(live):
        return storage_class_trouble(database, case.observed)
    if "deletionTimestamp" in live["metadata"]:
        said = f"volume claim {live['metadata']['name']} is being deleted and goes when its server stops"
        return Trouble(Reason.VOLUME_BEING_DELETED, f"{said}; take a copy of the data first")
    if not _can_resize(live, database, case.observed):
        said = f"the volume holds {_size(live)} and storage class {_class(live)} cannot expand it to"
        hint = "let the class allow volume expansion; until then the volume stays as it is"
        return Trouble(Reason.VOLUME_CANNOT_GROW, f"{said} {database.storage.size}; {hint}")
    return None


def too_small_for(database: Database, held: Instance) -> str:
    """Why a volume of the size that is asked for may not take what another holds."""
    size = _size(held.claim) if held.claim else "0"
    if as_number(database.storage.size) >= as_number(size):
        return ""
    return f"the volume there holds {size}, and spec.database.storage.size here is {database.storage.size}: too little"


def _size(live: Object) -> str:
    return str(live["spec"]["resources"]["requests"]["storage"])


def _class(live: Object) -> str | None:
    name = live["spec"].get("storageClassName")
    return str(name) if name else None


def _has_other_class(live: Object, database: Database) -> bool:
    """Whether another class is asked for than the claim's; asking for none is content with any."""
    return database.storage.class_name is not None and database.storage.class_name != _class(live)


def _can_resize(live: Object, database: Database, observed: Observed) -> bool:
    held, asked = as_number(_size(live)), as_number(database.storage.size)
    expandable = {c.name for c in observed.storage_classes if c.expandable}
    return held == asked or (asked > held and _class(live) in expandable)


def storage_class_trouble(database: Database, observed: Observed) -> Trouble | None:
    """What is wrong with the storage class that is asked for."""
    asked = database.storage.class_name
    known = ", ".join(f"{c.name} (default)" if c.default else c.name for c in observed.storage_classes)
    has = f"the cluster has: {known}" if known else "the cluster has none"
    if asked and asked not in {c.name for c in observed.storage_classes}:
        return Trouble(Reason.STORAGE_CLASS_MISSING, f"storage class {asked} does not exist; {has}")
    if not asked and not any(c.default for c in observed.storage_classes):
        said = "the cluster has no default storage class; name one under spec.database.storage.className"
        return Trouble(Reason.STORAGE_CLASS_MISSING, f"{said}; {has}")
    return None
