"""An instance: a database server with its volume, and the facts that its own objects record."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from freehold.core.engines import Replica
from freehold.core.model import remote
from freehold.core.model.resources import Object, Ref, Service
from freehold.core.objects import meta, names

FIRST = 1


class Location(NamedTuple):
    """The node labels of a server and the storage class of its volume. class_name: None for any class."""

    nodes: tuple[tuple[str, str], ...]
    class_name: str | None

    def __str__(self) -> str:
        nodes = ", ".join(f"{key.rpartition('/')[2]}={value}" for key, value in self.nodes) or "any node"
        return f"{nodes}, class {self.class_name}" if self.class_name else nodes

    def holds(self, instance: Instance) -> bool:
        """Return whether the instance has exactly these nodes and, if a class is named, this storage class."""
        return self.nodes == instance.location.nodes and self.class_name in (None, instance.location.class_name)

    def to_status(self) -> Object:
        """Return the location as `status.move` shows it."""
        class_name = {"className": self.class_name} if self.class_name else {}
        return {"nodeSelector": dict(self.nodes), **class_name}


class Instance(NamedTuple):
    """A database server and its volume; either may be absent.

    epoch: 0 before the first promotion. counterpart: the namespace of the move's counterpart, for an instance of the
    counterpart; empty for an instance in the service's own namespace.
    """

    number: int
    epoch: int = 1
    claim: Object | None = None
    server: Object | None = None
    counterpart: str = ""

    @property
    def location(self) -> Location:
        """The nodes and the storage class that the live objects have."""
        template = (self.server or {}).get("spec", {}).get("template", {}).get("spec", {})
        name = (self.claim or {}).get("spec", {}).get("storageClassName")
        return Location(node_labels(template.get("nodeSelector", {})), str(name) if name else None)

    def to_status(self) -> Object:
        """Return the location as `status.move` shows it, with the namespace of a counterpart."""
        return {**self.location.to_status(), **({"namespace": self.counterpart} if self.counterpart else {})}

    @property
    def holds_data(self) -> bool:
        """Whether a volume is bound, and may hold data."""
        return bool(self.claim and self.claim.get("status", {}).get("phase") == "Bound")

    @property
    def is_ready(self) -> bool:
        """Whether the server runs with its newest template and is ready, as a primary or as a close standby."""
        status = self.server.get("status", {}) if self.server else {}
        return bool(
            self.server
            and status.get("observedGeneration") == self.server["metadata"].get("generation")
            and status.get("readyReplicas", 0) >= 1
            and status.get("updatedReplicas", 0) >= 1
        )

    def fits(self, location: Location) -> bool:
        """Return whether the instance is at the location, or has only a claim so far, of a matching storage class."""
        if self.claim and "deletionTimestamp" in self.claim["metadata"]:
            return False
        claim_only = not self.server and not self.epoch and location.class_name in (None, self.location.class_name)
        return claim_only or bool(self.server and location.holds(self))

    @property
    def replicates_from(self) -> Replica | None:
        """The primary that the server was last told to replicate from; None for a server that never did."""
        template = (self.server or {}).get("spec", {}).get("template", {})
        recorded = template.get("metadata", {}).get("annotations", {}).get(meta.PRIMARY)
        match = re.fullmatch(r"(.+)@(\d{1,9})", str(recorded))
        if not match:
            return None
        host = names.as_counterpart_calls(match[1]) if remote.is_remote(self.counterpart) else match[1]
        return Replica(host, int(match[2]))

    def annotation(self, key: str) -> str:
        """Return an annotation of the claim; empty if absent."""
        return str((self.claim or {"metadata": {}})["metadata"].get("annotations", {}).get(key, ""))


def replica_of(service: Service, primary: Instance) -> Replica:
    """Return the source of a standby: the primary's host and epoch."""
    return Replica(host_of(service, primary), primary.epoch)


def dataset_of(claim: Object) -> str:
    """Return the identity of the data on a volume, which every copy of the data shares."""
    return str(claim["metadata"].get("annotations", {}).get(meta.DATASET_ID) or claim["metadata"]["uid"])


def host_of(service: Service, instance: Instance) -> str:
    """Return the DNS name of the instance's pod."""
    return names.instance_host(service.name, instance.counterpart or service.namespace, instance.number)


def refs_of(service: Service, instance: Instance) -> frozenset[Ref]:
    """Return StatefulSet and claim of a local instance that exists."""
    if instance.counterpart or not (instance.claim or instance.server):
        return frozenset()
    server, claim = names.instance(service.name, instance.number), names.instance_volume(service.name, instance.number)
    return frozenset({Ref("StatefulSet", server), Ref("PersistentVolumeClaim", claim)})


def discover(service: str, objects: Mapping[Ref, Object], counterpart: str = "") -> Iterator[Instance]:
    """Yield each instance with a claim or a StatefulSet among the objects, by number.

    counterpart: the namespace of the objects, if they belong to the counterpart.
    """
    claim_form = _claim_form(service)
    server_form = re.compile(rf"{re.escape(names.instance(service, FIRST))}(?:-([0-9]+))?")
    forms = {"PersistentVolumeClaim": claim_form, "StatefulSet": server_form}
    matches = (forms[ref.kind].fullmatch(ref.name) for ref in objects if ref.kind in forms)
    for number in sorted({int(match[1] or FIRST) for match in matches if match}):
        claim = objects.get(Ref("PersistentVolumeClaim", names.instance_volume(service, number)))
        epoch = (claim or {"metadata": {}})["metadata"].get("annotations", {}).get(meta.EPOCH)
        default = 1 if number == FIRST else 0
        server = objects.get(Ref("StatefulSet", names.instance(service, number)))
        yield Instance(number, int(epoch) if epoch else default, claim, server, counterpart)


def number_of_claim(service: str, claim: str) -> int | None:
    """Return the number of the instance with a claim; None for a name that no instance's claim has."""
    match = _claim_form(service).fullmatch(claim)
    return int(match[1] or FIRST) if match else None


def _claim_form(service: str) -> re.Pattern[str]:
    return re.compile(rf"{re.escape(names.instance_volume(service, FIRST))}(?:-([0-9]{{1,9}}))?")


def node_labels(selector: object) -> tuple[tuple[str, str], ...]:
    """Return a node selector in the form of `Location.nodes`."""
    return tuple(sorted((str(k), str(v)) for k, v in selector.items())) if isinstance(selector, dict) else ()
