"""A instance: a server of a service's with a volume of its own, and what can be read off it alone."""

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
    """Where a server stands: the labels of its nodes, and its volume's storage class; None: any will do."""

    nodes: tuple[tuple[str, str], ...]
    class_name: str | None

    def __str__(self) -> str:
        where = ", ".join(f"{key.rpartition('/')[2]}={value}" for key, value in self.nodes) or "any node"
        return f"{where}, class {self.class_name}" if self.class_name else where

    def holds(self, instance: Instance) -> bool:
        """Whether the instance stands there."""
        return self.nodes == instance.place.nodes and self.class_name in (None, instance.place.class_name)

    def shown(self) -> Object:
        """As the resource's status shows it."""
        named = {"className": self.class_name} if self.class_name else {}
        return {"nodeSelector": dict(self.nodes), **named}


class Instance(NamedTuple):
    """A server and its volume, as far as they are there. turn: 0 while it has never owned the data. abroad: the
    namespace it stands in, where that is the other one of a move; empty: the service's own."""

    number: int
    epoch: int = 1
    claim: Object | None = None
    server: Object | None = None
    abroad: str = ""

    @property
    def place(self) -> Location:
        """Where it stands."""
        template = (self.server or {}).get("spec", {}).get("template", {}).get("spec", {})
        name = (self.claim or {}).get("spec", {}).get("storageClassName")
        return Location(node_labels(template.get("nodeSelector", {})), str(name) if name else None)

    def shown(self) -> Object:
        """Where it stands, as the resource's status shows it."""
        return {**self.place.shown(), **({"namespace": self.abroad} if self.abroad else {})}

    @property
    def holds_data(self) -> bool:
        """Whether there is a volume, so that there may be data."""
        return bool(self.claim and self.claim.get("status", {}).get("phase") == "Bound")

    def may_stand_at(self, place: Location) -> bool:
        """Whether it stands there, or has been begun without a server yet."""
        if self.claim and "deletionTimestamp" in self.claim["metadata"]:
            return False
        begun = not self.server and not self.epoch and place.class_name in (None, self.place.class_name)
        return begun or bool(self.server and place.holds(self))

    @property
    def follows(self) -> Replica | None:
        """The server it was last made from, or left to; None where there was none."""
        template = (self.server or {}).get("spec", {}).get("template", {})
        said = template.get("metadata", {}).get("annotations", {}).get(meta.PRIMARY)
        found = re.fullmatch(r"(.+)@(\d{1,9})", str(said))
        if not found:
            return None
        host = names.as_counterpart_calls(found[1]) if remote.is_remote(self.abroad) else found[1]
        return Replica(host, int(found[2]))

    def annotation(self, key: str) -> str:
        """What its claim is annotated with; empty where it is not."""
        return str((self.claim or {"metadata": {}})["metadata"].get("annotations", {}).get(key, ""))


def replica_of(service: Service, leader: Instance) -> Replica:
    """The source of a server that follows another: where that is, and since which turn it owns the data."""
    return Replica(host_of(service, leader), leader.epoch)


def dataset_of(claim: Object) -> str:
    """What stands for the data on a volume; a copy of it has the same."""
    return str(claim["metadata"].get("annotations", {}).get(meta.DATASET_ID) or claim["metadata"]["uid"])


def host_of(service: Service, instance: Instance) -> str:
    """Where this very server is reached."""
    return names.instance_host(service.name, instance.abroad or service.namespace, instance.number)


def discover(service: str, objects: Mapping[Ref, Object], abroad: str = "") -> Iterator[Instance]:
    """Every instance of a service's of which a volume or a server is among these objects."""
    form = re.compile(rf"{re.escape(names.instance_volume(service, FIRST))}(?:-([0-9]+))?")
    server = re.compile(rf"{re.escape(names.instance(service, FIRST))}(?:-([0-9]+))?")
    forms = {"PersistentVolumeClaim": form, "StatefulSet": server}
    found = (forms[ref.kind].fullmatch(ref.name) for ref in objects if ref.kind in forms)
    for number in sorted({int(match[1] or FIRST) for match in found if match}):
        claim = objects.get(Ref("PersistentVolumeClaim", names.instance_volume(service, number)))
        turn = (claim or {"metadata": {}})["metadata"].get("annotations", {}).get(meta.EPOCH)
        usual = 1 if number == FIRST else 0
        running = objects.get(Ref("StatefulSet", names.instance(service, number)))
        yield Instance(number, int(turn) if turn else usual, claim, running, abroad)


def node_labels(selector: object) -> tuple[tuple[str, str], ...]:
    """A node selector as a Place has it."""
    return tuple(sorted((str(k), str(v)) for k, v in selector.items())) if isinstance(selector, dict) else ()
