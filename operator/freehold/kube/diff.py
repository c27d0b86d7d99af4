"""Detection of drift without a write.

An object has drifted if a field of Freehold's was changed or removed, so that the live object does not contain the
desired one; or if another field manager owns fields that others may not own
(kubernetes.io/docs/reference/using-api/server-side-apply/#field-management).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from freehold.core.model.quantities import as_number
from freehold.core.model.resources import Object
from freehold.core.objects import meta
from freehold.kube.client import FIELD_MANAGER

Path = tuple[str, ...]
ANY = "*"
OF_OTHERS: tuple[Path, ...] = (("f:metadata",), ("f:status",))
"""The fields of every kind that others may own, as paths of managedFields; each field inside as well."""
OF_OTHERS_IN: dict[str, tuple[Path, ...]] = {
    "ServiceAccount": (("f:imagePullSecrets",), ("f:secrets",)),
    "StatefulSet": (("f:spec", "f:template", "f:metadata", "f:annotations", ANY),),
    "Deployment": (("f:spec", "f:template", "f:metadata", "f:annotations", ANY),),
}
"""Further fields that others may own, by kind. Pull Secrets are linked by people and by platforms; `kubectl rollout
restart`, certificate and secret reloaders annotate templates. Every other field of others is removed."""
OPENING = (
    "f:k8s.v1.cni.cncf.io/",
    "f:v1.multus-cni.io/",
    "f:container.apparmor.security.beta.kubernetes.io/",
)
"""Annotations of templates that are removed: a further network, to which no network policy applies, and a container
without its AppArmor profile."""
IMMUTABLE: dict[str, tuple[str, ...]] = {
    "PersistentVolumeClaim": ("accessModes", "storageClassName"),
    "StatefulSet": ("selector", "serviceName", "podManagementPolicy"),
    "Job": ("selector", "template"),
    "Deployment": ("selector",),
}
"""The fields of the spec that are desired and that the API server changes in no existing object."""
MAX_LEVELS = 60
"""The most levels of a set of fields that is written; the deepest field of Freehold's has about fifteen."""
EXACT = frozenset({"NetworkPolicy"})
"""Kinds in which each additional field grants something. Such a field may be Freehold's own by its manager, since
anybody may apply under any manager's name."""
DEFAULTS = {"protocol": "TCP"}
"""The fields that the API server fills in within the spec of EXACT kinds."""


def matches(live: Object, desired: Object) -> bool:
    """Return whether live contains desired and, for an EXACT kind, has no further field in the spec."""
    if desired["kind"] in EXACT and not _equal(live.get("spec"), desired["spec"]):
        return False
    return contains(live, desired)


def with_immutable(desired: Object, live: Object) -> Object:
    """Return desired with the immutable fields of live, unless other content is desired than was applied last.

    They differ where admission changed them as the object was created.
    """
    if not is_applied(live, desired):
        return desired
    fixed = IMMUTABLE.get(desired["kind"], ())
    kept = {field: live["spec"][field] for field in fixed if field in desired["spec"] and field in live["spec"]}
    return {**desired, "spec": {**desired["spec"], **kept}} if kept else desired


def is_applied(live: Object, desired: Object) -> bool:
    """Return whether the content that was applied last is the desired one, whatever became of it."""
    known, wanted = (body["metadata"].get("annotations", {}).get(meta.APPLIED_HASH) for body in (live, desired))
    return known is not None and known == wanted


def content(live: Object) -> str:
    """Return a digest of an object, metadata and status excepted."""
    return meta.digest({key: value for key, value in live.items() if key not in ("metadata", "status")})


def _equal(live: Any, desired: Any) -> bool:
    """Return whether live equals desired, with DEFAULTS and without empty lists, which the API server omits."""
    if isinstance(desired, dict) and isinstance(live, dict):
        added = all(DEFAULTS.get(key) == live[key] for key in live.keys() - desired.keys())
        return added and all(
            _equal(live.get(key, [] if value == [] else None), value) for key, value in desired.items()
        )
    if isinstance(desired, list) and isinstance(live, list):
        return len(live) == len(desired) and all(map(_equal, live, desired))
    return bool(live == desired)


def contains(live: Any, desired: Any) -> bool:
    """Return whether live contains desired. Defaults added by the API server are ignored; quantities are compared by
    value."""
    if isinstance(desired, dict):
        known = live if isinstance(live, dict) else {}
        return all(contains(known.get(key), value) for key, value in desired.items())
    if isinstance(desired, list):
        known_items = live if isinstance(live, list) else []
        same_length = len(known_items) == len(desired)
        return same_length and all(map(contains, known_items, desired))
    return live == desired or _same_quantity(live, desired)


def has_more_items(live: Any, desired: Any) -> bool:
    """Return whether a list of live has more items than the list of desired."""
    if isinstance(desired, dict) and isinstance(live, dict):
        return any(has_more_items(live.get(key), value) for key, value in desired.items())
    if isinstance(desired, list) and isinstance(live, list):
        return len(live) > len(desired) or any(map(has_more_items, live, desired))
    return False


def _same_quantity(live: Any, desired: Any) -> bool:
    try:
        return as_number(str(live)) == as_number(str(desired))
    except ValueError:
        return False


def foreign(live: Object) -> bool:
    """Return whether another field manager owns fields that others may not own."""
    if live["kind"] == "PersistentVolumeClaim":
        return False  # the cluster writes the volume's name into its spec
    return bool(foreign_managers(live))


def foreign_managers(live: Object) -> list[str]:
    """Return the other field managers that own fields that others may not own."""
    entries = live["metadata"].get("managedFields", [])
    return [entry["manager"] for entry in entries if _has_leaf(_divided(entry, live["kind"])[1])]


def disown(live: Object) -> list[Object]:
    """Return the managedFields of an object, with Freehold as the manager of all fields that others may not own.

    The next server-side apply then removes the fields that are not desired.
    """
    entries, kind = live["metadata"].get("managedFields", []), live["kind"]
    taken: Object = {}
    left: list[Object] = []
    for entry in entries:
        kept, rest = ({}, _fields(entry)) if _is_own(entry, kind) else _divided(entry, kind)
        _merge(taken, rest)
        left += [{**entry, "fieldsV1": kept}] if _has_leaf(kept) else []
    own = {
        "manager": FIELD_MANAGER,
        "operation": "Apply",
        "apiVersion": live["apiVersion"],
        "fieldsType": "FieldsV1",
        "fieldsV1": taken,
    }
    return [own, *left]


def _is_own(entry: Object, kind: str) -> bool:
    # Secrets are created without server-side apply, which overwrites an existing object.
    operations = ("Apply", "Update") if kind == "Secret" else ("Apply",)
    return entry.get("manager") == FIELD_MANAGER and entry.get("operation") in operations


def _divided(entry: Object, kind: str) -> tuple[Object, Object]:
    """Return the fields of an entry that their manager may own, all of Freehold's included, and the rest."""
    if entry.get("subresource") == "status" or _is_own(entry, kind):
        return _fields(entry), {}
    return _divide(_fields(entry), [*OF_OTHERS, *OF_OTHERS_IN.get(kind, ())])


def _divide(fields: Object, paths: Iterable[Path]) -> tuple[Object, Object]:
    """Divide a FieldsV1 set into the fields at given paths and the rest. As deep as the longest path."""
    kept: Object = {}
    rest: Object = {}
    for key, value in fields.items():
        below = [path[1:] for path in paths if path[0] in (key, ANY) and not key.startswith(OPENING)]
        if () in below:
            kept[key] = value
            continue
        inner_kept, inner_rest = _divide(value, below) if below and isinstance(value, dict) else ({}, value)
        if inner_kept:
            kept[key] = inner_kept
        if inner_rest or not inner_kept:
            rest[key] = inner_rest
    return kept, rest


def _fields(entry: Object) -> Object:
    """Return the FieldsV1 set of an entry of managedFields; people may write these entries."""
    fields = entry.get("fieldsV1")
    return fields if isinstance(fields, dict) else {}


def _has_leaf(fields: Object) -> bool:
    """Return whether a FieldsV1 set contains a field."""
    waiting = [fields]
    while waiting:  # an explicit stack, because a set may be nested deeper than Python's recursion limit
        for key, value in waiting.pop().items():
            if key == ".":
                continue
            if not isinstance(value, dict) or not value:
                return True
            waiting.append(value)
    return False


def _merge(into: Object, fields: Object, levels: int = MAX_LEVELS) -> None:
    """Merge a FieldsV1 set into another. Below the last level, a field stands for the fields inside."""
    for key, value in fields.items():
        inner = into.setdefault(key, {})
        if levels and isinstance(value, dict):
            _merge(inner, value, levels - 1)
