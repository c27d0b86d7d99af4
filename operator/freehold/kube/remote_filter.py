"""The filter of a remote cluster: what enters becomes a record, and what does not fit is left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pydantic import ValidationError

from freehold.core.model.resources import Object
from freehold.core.objects import meta, names
from freehold.kube import addresses, remote_records
from freehold.kube.addresses import Address
from freehold.kube.cluster_registry import Cluster, explain
from freehold.kube.errors import ClusterError
from freehold.kube.kinds import MICROSERVICE, Kind

MOST_OBJECTS = 2000
MOST_ADDRESSES = 1000
"""The most addresses of callers; a network policy with more is slow to apply."""
LONGEST_REASON = 200


class Refusal(NamedTuple):
    """An object that was refused, or an address of the object; shown in the status."""

    kind: str
    name: str
    reason: str


class RecordFilter:
    """The records of one namespace of a remote cluster.

    namespace: as named in the cluster. is_local: whether an address belongs to the operator's cluster.
    """

    def __init__(self, namespace: str, cluster: Cluster, is_local: Callable[[Address], bool]) -> None:
        self._namespace = namespace
        self._cluster = cluster
        self._is_local = is_local
        self._kept: dict[tuple[str, str], Object] = {}
        self._refused: dict[tuple[str, str], Refusal] = {}

    def record(self, kind: Kind, live: object) -> Object | None:
        """Return the record of an object in the form of the API; None for an object that does not fit."""
        try:
            read = remote_records.BY_KIND[kind.name].model_validate(live)
        except (ValidationError, RecursionError) as error:
            reason = explain(error) if isinstance(error, ValidationError) else "is nested too deep"
            self._refuse(kind, _name(live), reason)
            return None
        record = read.model_dump(by_alias=True, exclude_none=True)
        name, instance = read.metadata.name, read.metadata.labels.instance
        if kind is not MICROSERVICE and not instance:
            return None
        if kind.name == "ConfigMap" and name != names.callers(instance):
            return None
        identity = (kind.name, name)
        if identity not in self._kept and len(self._kept) >= MOST_OBJECTS:
            self._refuse(kind, name, f"is beyond the {MOST_OBJECTS} objects that are read")
            return None
        self._refused.pop(identity, None)
        whole = {"apiVersion": kind.api, "kind": kind.name, **record}
        whole["metadata"]["namespace"] = self._namespace
        self._check(kind, whole)
        self._kept[identity] = whole["metadata"]
        return whole

    def deleted(self, kind: Kind, live: object) -> Object | None:
        """Return the minimal object that reports the end of one that does not fit any more; None for an unknown."""
        metadata = self._kept.get((kind.name, _name(live)))
        return {"kind": kind.name, "metadata": metadata} if metadata else None

    def forget(self, kind: str, name: str) -> None:
        """Forget an object that was deleted."""
        self._kept.pop((kind, name), None)
        self._refused.pop((kind, name), None)

    def bookmark(self, live: object) -> Object:
        """Return a bookmark with the resourceVersion alone. Raises ClusterError for a malformed one."""
        metadata = live.get("metadata") if isinstance(live, dict) else None
        version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
        if not isinstance(version, str) or not version.isascii() or not version.isdigit() or len(version) > 19:
            raise ClusterError(0, "a bookmark of the watch is malformed")
        return {"metadata": {"resourceVersion": version}}

    def trouble(self) -> str:
        """Return what was refused, as a message; empty if everything fits."""
        if not self._refused:
            return ""
        first, others = min(self._refused.values()), len(self._refused) - 1
        more = f", and {others} more" if others else ""
        return f"{first.kind} {first.name} is not used: {first.reason}{more}"

    def _refuse(self, kind: Kind, name: str, reason: str) -> None:
        if len(self._refused) < MOST_OBJECTS:
            plain = "".join(letter if letter.isprintable() else "?" for letter in reason[:LONGEST_REASON])
            self._refused[kind.name, name] = Refusal(kind.name, name, plain)

    def _check(self, kind: Kind, record: Object) -> None:
        """Remove refused addresses, and what is not to be known, from a record."""
        name = record["metadata"]["name"]
        if kind.name == "Pod" and record["status"].get("podIP"):
            if found := self._addresses(kind, name, [record["status"].pop("podIP")]):
                record["status"]["podIP"] = found[0]
        elif kind.name == "ConfigMap":
            left = MOST_ADDRESSES
            for consumer, listed in record["data"].items():
                found = self._addresses(kind, name, listed.split())[:left]
                record["data"][consumer] = " ".join(found)
                left -= len(found)
        elif kind.name == "Secret" and name == names.server_certificate(record["metadata"]["labels"][meta.INSTANCE]):
            record["data"] = {key: value for key, value in record["data"].items() if key == names.CA_FILE}

    def _addresses(self, kind: Kind, name: str, listed: list[str]) -> list[str]:
        """Return the addresses of pods of the cluster; records the others."""
        found = []
        for text in listed[: MOST_ADDRESSES + 1]:
            if reason := self._fault(text):
                self._refuse(kind, name, reason)
            else:
                found.append(str(addresses.parse(text)))
        return found

    def _fault(self, text: str) -> str:
        """Return why a text is no address of a pod of the cluster; empty if it is one."""
        try:
            address = addresses.parse(text)
        except ValueError:
            return "an address is malformed"
        if addresses.is_forbidden(address) or address.is_loopback or self._is_local(address):
            return f"address {address} belongs to this cluster or to no pod"
        if not any(address in block for block in self._cluster.pod_cidrs):
            return f"address {address} is outside the podCIDRs that are registered for the cluster"
        return ""


def _name(live: object) -> str:
    """Return the name of an object that does not fit, for a message; a question mark for an unusable name."""
    metadata = live.get("metadata") if isinstance(live, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    usable = isinstance(name, str) and name.isascii() and name.isprintable() and 0 < len(name) <= 253
    return str(name) if usable else "?"


def without_addresses(live: Object) -> Object:
    """Return a pod, or the callers' ConfigMap, without addresses."""
    if live["kind"] == "Pod":
        return {**live, "status": {key: value for key, value in live["status"].items() if key != "podIP"}}
    return {**live, "data": {}}
