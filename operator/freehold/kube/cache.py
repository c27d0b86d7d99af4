"""The cache of Freehold's objects, kept up to date by watches.

Objects are stored compressed and without managedFields: each service has about fifteen, and they are rarely read.
Services are indexed by consumer, so that a change of a provider wakes the consumers and vice versa.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator

from freehold.core.model import remote
from freehold.core.model.conditions import State, Type
from freehold.core.model.resources import EMPTY, CallNode, Key, Object, Ref, StorageClass
from freehold.core.objects import meta, names
from freehold.kube.relations import NOT_MOVING, Moves, Relations
from freehold.kube.stored import Stored, store

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


class Cache(Relations):
    """The objects of the cluster, and those of remote clusters under namespaces such as `shop@west`.

    wake: called with each service that a change concerns. verified: the status of condition IsolationVerified.
    addresses: of a service's ports, as `host:port`. audited: the services in audit mode.
    """

    def __init__(self, wake: Callable[[Key], None]) -> None:
        super().__init__()
        self._wake = wake
        self.services: dict[Key, Stored] = {}
        self.owned: defaultdict[Key, dict[Ref, Stored]] = defaultdict(dict)
        self.ready: set[Key] = set()
        self.verified: dict[Key, str] = {}
        self.addresses: dict[Key, tuple[str, ...]] = {}
        self.audited: set[Key] = set()
        self._service_of: dict[tuple[str, Ref], Key] = {}
        self.namespaces: dict[str, dict[str, str]] = {}
        self.storage_classes: dict[str, StorageClass] = {}

    @property
    def local_services(self) -> list[Key]:
        """The services of the operator's cluster."""
        return [key for key in self.services if not remote.is_remote(key.namespace)]

    def put_service(
        self,
        live: Object,
        consumes: frozenset[Key],
        addresses: tuple[str, ...] = (),
        audited: bool = False,
        node: CallNode = EMPTY,
        moves: Moves = NOT_MOVING,
    ) -> None:
        """Store a Microservice, and wake the service, the providers and the consumers.

        The other parameters are the fields of `observation.Declared`. A changed node wakes all transitive consumers;
        moves wake the counterpart with its providers and consumers. An older version than the known one is ignored.
        """
        key = Key(live["metadata"]["namespace"], live["metadata"]["name"])
        known, new = self.services.get(key), store(live)
        if known and known.uid == new.uid and known.version >= new.version:
            return
        before = self.consumes.get(key, frozenset())
        affected = [*self.set_node(key, node), *self.set_moves(key, moves)]
        self.services[key] = new
        (self.ready.add if _status_of(live, Type.READY) == State.TRUE else self.ready.discard)(key)
        self.verified[key] = _status_of(live, Type.ISOLATION_VERIFIED)
        self.set_consumed(key, consumes)
        self.addresses[key] = addresses
        (self.audited.add if audited else self.audited.discard)(key)
        self.wake(key, *before, *consumes, *self.consumers(key), *affected)

    def drop_service(self, key: Key) -> None:
        """Remove a Microservice, and wake the service, the providers and the consumers."""
        self.services.pop(key, None)
        self.ready.discard(key)
        self.addresses.pop(key, None)
        self.audited.discard(key)
        self.verified.pop(key, None)
        before = self.consumes.get(key, frozenset())
        self.set_consumed(key, frozenset())
        self.consumes.pop(key, None)
        affected = [*self.set_node(key, None), *self.affected_by_move(key)]
        self.moves.pop(key, None)
        self.wake(key, *before, *self.consumers(key), *affected)

    def put_owned(self, live: Object) -> None:
        """Store an object of a service. An older version than the known one is ignored."""
        key, ref = _service_and_ref(live)
        self._assign(key, ref)
        known = self.owned[key].get(ref)
        new = store(live)
        if known and known.uid == new.uid and known.version >= new.version:
            return
        self.owned[key][ref] = new
        self.wake(key, *self._readers_of(key, ref))

    def drop_owned(self, live: Object) -> None:
        """Remove an object of a service, unless a newer object has the same name."""
        key, ref = _service_and_ref(live)
        known = self.owned[key].get(ref)
        if known and known.uid == live["metadata"]["uid"]:
            del self.owned[key][ref]
            self._service_of.pop((key.namespace, ref), None)
        if not self.owned[key]:
            del self.owned[key]
        self.wake(key, *self._readers_of(key, ref))

    def _readers_of(self, key: Key, ref: Ref) -> Iterator[Key]:
        """Yield the other services whose plans depend on an object.

        Consumers read the provider's contract and remote endpoints; a provider that moves to another cluster reads the
        pods of consumers; the counterpart of a move reads all objects.
        """
        if (ref.kind == "ConfigMap" and names.is_contract(key.name, ref.name)) or ref.kind == "EndpointSlice":
            yield from self.consumers(key)
        if ref.kind == "Pod":
            providers = self.consumes.get(key, ())
            yield from (provider for provider in providers if remote.is_remote(self.move_of(provider).destination))
        yield from (Key(namespace, key.name) for namespace in self.move_of(key) if namespace)

    def forget_objects(self, kind: str | None, namespace: str) -> None:
        """Remove the objects of a kind, or of all kinds, in a namespace that is not watched any more; wake no
        service."""
        for key in [key for key in self.owned if key.namespace == namespace]:
            for ref in [ref for ref in self.owned[key] if kind in (None, ref.kind)]:
                del self.owned[key][ref]
                self._service_of.pop((namespace, ref), None)
            if not self.owned[key]:
                del self.owned[key]

    def forget_namespace(self, namespace: str) -> None:
        """Remove all services and objects of a remote namespace."""
        self.forget_objects(None, namespace)
        for key in [key for key in self.services if key.namespace == namespace]:
            self.drop_service(key)

    def wake_moving(self, namespace: str) -> None:
        """Wake the services that move to or from a namespace."""
        self.wake(*(key for key, moves in self.moves.items() if namespace in moves))

    def _assign(self, key: Key, ref: Ref) -> None:
        """Record the service of an object; an object whose labels changed is removed from the previous service."""
        before = self._service_of.get((key.namespace, ref))
        if before and before != key:
            self.owned[before].pop(ref, None)
            self.wake(before)
        self._service_of[key.namespace, ref] = key

    def put_namespace(self, live: Object) -> None:
        """Store the labels of a namespace, on which a provider's consent may depend."""
        name, labels = live["metadata"]["name"], live["metadata"].get("labels", {})
        if self.namespaces.get(name) != labels:
            self.namespaces[name] = labels
            inside = [key for key in self.services if key.namespace == name]
            self.wake(*inside, *(provider for key in inside for provider in self.consumes.get(key, ())))

    def drop_namespace(self, live: Object) -> None:
        self.namespaces.pop(live["metadata"]["name"], None)

    def put_storage_class(self, live: Object) -> None:
        """Store a storage class, and wake all services: some may wait for the class."""
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
        """Wake the given services, if they are of this cluster and the service or an object of it exists."""
        for key in dict.fromkeys(keys):
            if (key in self.services or key in self.owned) and not remote.is_remote(key.namespace):
                self._wake(key)


def _status_of(live: Object, kind: Type) -> str:
    conditions = live.get("status", {}).get("conditions", [])
    return str(next((c["status"] for c in conditions if c["type"] == kind), State.UNKNOWN))


def _service_and_ref(live: Object) -> tuple[Key, Ref]:
    metadata = live["metadata"]
    # The JSON decoder creates a new string for each occurrence; these strings occur in every object.
    key = Key(sys.intern(metadata["namespace"]), sys.intern(metadata["labels"].get(meta.INSTANCE, "")))
    return key, Ref(sys.intern(live["kind"]), metadata["name"])
