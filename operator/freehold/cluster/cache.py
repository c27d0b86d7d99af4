"""What the cluster holds of Freehold's, kept up to date by watches and kept small.

An object is stored compressed, without what only the API server cares for, for a service has about fifteen and is
looked at rarely. Services are indexed by who names them, so that a change on one side wakes the other.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from freehold.cluster import compare
from freehold.core import meta
from freehold.core.model import Key, Object, Ref, State, StorageClass, Type

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


@dataclass(frozen=True, slots=True)
class Stored:
    """An object of the cluster. foreign: whether somebody else added to it."""

    version: int
    uid: str
    foreign: bool
    packed: bytes

    def unpack(self) -> Object:
        decoded: Object = json.loads(zlib.decompress(self.packed))
        return decoded


def store(live: Object) -> Stored:
    """An object as it is kept: compressed, without managedFields."""
    metadata = {k: v for k, v in live["metadata"].items() if k != "managedFields"}
    text = json.dumps({**live, "metadata": metadata}, separators=(",", ":"))
    return Stored(
        int(metadata["resourceVersion"]), metadata["uid"], compare.foreign(live), zlib.compress(text.encode(), 1)
    )


class Cache:
    """The one picture of the cluster. `wake` is called with each service that may have something to do."""

    def __init__(self, wake: Callable[[Key], None]) -> None:
        self._wake = wake
        self.services: dict[Key, Stored] = {}
        self.owned: defaultdict[Key, dict[Ref, Stored]] = defaultdict(dict)
        self.consumes: dict[Key, frozenset[Key]] = {}
        self.ready: set[Key] = set()
        self.verified: dict[Key, str] = {}
        self.addresses: dict[Key, tuple[str, ...]] = {}
        self.shadows: set[Key] = set()
        self._places: dict[tuple[str, Ref], Key] = {}
        self.namespaces: dict[str, dict[str, str]] = {}
        self.storage_classes: dict[str, StorageClass] = {}

    def put_service(
        self, live: Object, consumes: frozenset[Key], addresses: tuple[str, ...] = (), shadow: bool = False
    ) -> None:
        """Take in a Microservice; itself, those it names and those that name it may have something to do.

        addresses: of its doors, as `host:port`. shadow: whether no wall stands around it.
        """
        key = Key(live["metadata"]["namespace"], live["metadata"]["name"])
        known, new = self.services.get(key), store(live)
        if known and known.uid == new.uid and known.version >= new.version:
            return
        before = self.consumes.get(key, frozenset())
        self.services[key] = new
        (self.ready.add if _status_of(live, Type.READY) == State.TRUE else self.ready.discard)(key)
        self.verified[key] = _status_of(live, Type.ISOLATION_VERIFIED)
        self.consumes[key] = consumes
        self.addresses[key] = addresses
        (self.shadows.add if shadow else self.shadows.discard)(key)
        self.wake(key, *before, *consumes, *self.consumers(key))

    def drop_service(self, key: Key) -> None:
        """Forget a Microservice; those it named and those that name it may have something to do."""
        self.services.pop(key, None)
        self.ready.discard(key)
        self.addresses.pop(key, None)
        self.shadows.discard(key)
        self.verified.pop(key, None)
        before = self.consumes.pop(key, frozenset())
        self.wake(key, *before, *self.consumers(key))

    def consumers(self, provider: Key) -> Iterator[Key]:
        """The services that declare to consume this one."""
        return (key for key, consumes in self.consumes.items() if provider in consumes)

    def put_owned(self, live: Object) -> None:
        """Take in an object of a service's; an older version than the one known is ignored."""
        key, ref = _belongs(live)
        self._move(key, ref)
        known = self.owned[key].get(ref)
        new = store(live)
        if known and known.uid == new.uid and known.version >= new.version:
            return
        self.owned[key][ref] = new
        self.wake(key)

    def drop_owned(self, live: Object) -> None:
        key, ref = _belongs(live)
        known = self.owned[key].get(ref)
        if known and known.uid == live["metadata"]["uid"]:
            del self.owned[key][ref]
            self._places.pop((key.namespace, ref), None)
        if not self.owned[key]:
            del self.owned[key]
        self.wake(key)

    def forget(self, kind: str, namespace: str) -> None:
        """Objects of a kind that is no longer watched in a namespace; nobody is woken."""
        for key in [key for key in self.owned if key.namespace == namespace]:
            for ref in [ref for ref in self.owned[key] if ref.kind == kind]:
                del self.owned[key][ref]
                self._places.pop((namespace, ref), None)
            if not self.owned[key]:
                del self.owned[key]

    def _move(self, key: Key, ref: Ref) -> None:
        """An object whose labels now name another service is missing where it was."""
        before = self._places.get((key.namespace, ref))
        if before and before != key:
            self.owned[before].pop(ref, None)
            self.wake(before)
        self._places[key.namespace, ref] = key

    def put_namespace(self, live: Object) -> None:
        """Take in a namespace's labels, on which a provider's consent may depend."""
        name, labels = live["metadata"]["name"], live["metadata"].get("labels", {})
        if self.namespaces.get(name) != labels:
            self.namespaces[name] = labels
            inside = [key for key in self.services if key.namespace == name]
            self.wake(*inside, *(provider for key in inside for provider in self.consumes.get(key, ())))

    def drop_namespace(self, live: Object) -> None:
        self.namespaces.pop(live["metadata"]["name"], None)

    def put_storage_class(self, live: Object) -> None:
        """Take in a storage class; services that wait for one may go on."""
        annotations = live["metadata"].get("annotations", {})
        name = live["metadata"]["name"]
        self.storage_classes[name] = StorageClass(
            name, annotations.get(DEFAULT_CLASS) == "true", bool(live.get("allowVolumeExpansion"))
        )
        self.wake(*self.services)

    def drop_storage_class(self, live: Object) -> None:
        self.storage_classes.pop(live["metadata"]["name"], None)
        self.wake(*self.services)

    def wake(self, *keys: Key) -> None:
        """Wake those of these services that exist, or of which something is left."""
        for key in dict.fromkeys(keys):
            if key in self.services or key in self.owned:
                self._wake(key)


def _status_of(live: Object, kind: Type) -> str:
    conditions = live.get("status", {}).get("conditions", [])
    return str(next((c["status"] for c in conditions if c["type"] == kind), State.UNKNOWN))


def _belongs(live: Object) -> tuple[Key, Ref]:
    metadata = live["metadata"]
    # Decoded JSON has a text of its own for each time one occurs; these occur once for each object.
    key = Key(sys.intern(metadata["namespace"]), sys.intern(metadata["labels"].get(meta.INSTANCE, "")))
    return key, Ref(sys.intern(live["kind"]), metadata["name"])
