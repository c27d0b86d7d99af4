"""The cache of Freehold's objects, kept up to date by watches.

Objects are stored compressed and without managedFields: each service has about fifteen, and they are rarely read.
Anybody can label an object as Freehold's, so objects beyond a bound for each namespace are known by name alone.
Services are indexed by consumer, so that a change of a provider wakes the consumers and vice versa.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from freehold.core.model import remote
from freehold.core.model.conditions import State, Type
from freehold.core.model.resources import EMPTY, CallNode, Key, Object, Peer, Ref, StorageClass
from freehold.core.objects import names
from freehold.kube.dropped import Dropped
from freehold.kube.kinds import HOLDS_DATA
from freehold.kube.relations import NOT_MOVING, Moves, Relations
from freehold.kube.server_changes import ServerChanges
from freehold.kube.stored import Stored, service_and_ref, storage_class, store, store_if_small

NAMESPACE_BYTES = 64 * 1024 * 1024
"""The most bytes for the objects of a namespace; those of a service take about thirty KiB."""


class Cache(Relations):
    """The objects of the cluster, and those of remote clusters under namespaces such as `shop@west`.

    wake: called with each service that a change concerns. wake_for: called instead, also with the namespace of the
    change, for the services of other namespaces; by default wake. verified: the status of condition IsolationVerified.
    addresses: of a service's ports, as `host:port`. audited: the services in audit mode. peers: what services may know
    of each other. unusable: Microservices that cannot be used, with the cause. omitted: objects known by name alone.
    service_of: the service of each object, by namespace.
    """

    def __init__(self, wake: Callable[[Key], None], wake_for: Callable[[Key, str], None] | None = None) -> None:
        super().__init__()
        self._wake = wake
        self._wake_for = wake_for or (lambda key, _: wake(key))
        self.services: dict[Key, Stored] = {}
        self.peers: dict[Key, Peer] = {}
        self.unusable: dict[Key, str] = {}
        self.omitted: dict[Key, frozenset[Ref]] = {}
        self.owned: defaultdict[Key, dict[Ref, Stored]] = defaultdict(dict)
        self.ready: set[Key] = set()
        self.verified: dict[Key, str] = {}
        self.addresses: dict[Key, tuple[str, ...]] = {}
        self.audited: set[Key] = set()
        self._bytes: defaultdict[str, int] = defaultdict(int)
        self.service_of: dict[tuple[str, Ref], Key] = {}
        self.namespaces: dict[str, dict[str, str]] = {}
        self.storage_classes: dict[str, StorageClass] = {}
        self.changes = ServerChanges()
        self.dropped = Dropped()

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
        peer: Peer | None = None,
    ) -> None:
        """Store a Microservice, and wake the service, the providers and the consumers.

        The other parameters are the fields of `observation.Declared`. A changed node wakes all transitive consumers;
        moves wake the counterpart with its providers and consumers. An older version than the known one is ignored."""
        key = Key(live["metadata"]["namespace"], live["metadata"]["name"])
        known, new = self.services.get(key), store(live)
        if known and known.uid == new.uid and known.version >= new.version:
            return
        self.dropped.discard(new.uid)
        self.unusable.pop(key, None)
        self.peers.pop(key, None)
        if peer:
            self.peers[key] = peer
        before = self.consumes.get(key, frozenset())
        callers, others = self.set_node(key, node), self.set_moves(key, moves)
        self.services[key] = new
        (self.ready.add if _status_of(live, Type.READY) == State.TRUE else self.ready.discard)(key)
        self.verified[key] = _status_of(live, Type.ISOLATION_VERIFIED)
        self.set_consumed(key, consumes)
        self.addresses[key] = addresses
        (self.audited.add if audited else self.audited.discard)(key)
        self._wake_related(key, callers, (*before, *consumes, *others))

    def drop_service(self, key: Key) -> None:
        """Remove a Microservice, and wake the service, the providers and the consumers."""
        if known := self.services.pop(key, None):
            self.dropped.add(known.uid)
        self.unusable.pop(key, None)
        self.peers.pop(key, None)
        self.ready.discard(key)
        self.addresses.pop(key, None)
        self.audited.discard(key)
        self.verified.pop(key, None)
        before = self.consumes.get(key, frozenset())
        self.set_consumed(key, frozenset())
        self.consumes.pop(key, None)
        callers, others = self.set_node(key, None), self.affected_by_move(key)
        self.moves.pop(key, None)
        self._wake_related(key, callers, (*before, *others))

    def _wake_related(self, key: Key, callers: Iterable[Key], others: Iterable[Key]) -> None:
        """Wake a service with its direct and transitive consumers, which pay, and others, for which it pays."""
        asked = dict.fromkeys((key, *self.consumers(key), *callers))
        self.wake(*asked)
        self.wake(*(each for each in others if each not in asked), cause=key.namespace)

    def put_unusable(self, key: Key, cause: str) -> None:
        """Record a Microservice that cannot be used, and wake the service for the report to the owner."""
        self.unusable[key] = cause
        if not remote.is_remote(key.namespace):
            self._wake(key)

    def hidden_data(self, key: Key) -> str:
        """Return the omitted objects of a service that hold data, as text; empty without one."""
        hidden = (ref for ref in sorted(self.omitted.get(key, ())) if ref.kind in HOLDS_DATA)
        return ", ".join(f"{ref.kind} {ref.name}" for ref in hidden)

    def put_owned(self, live: Object) -> None:
        """Store an object of a service. An older version than the known one is ignored; one that is too large, or for
        which the namespace has no bytes left, is omitted."""
        key, ref = service_and_ref(live)
        self._assign(key, ref)
        known, new = self.owned.get(key, {}).get(ref), store_if_small(live)
        if known and new and known.uid == new.uid and known.version >= new.version:
            return
        if new and self._bytes[key.namespace] + new.size - (known.size if known else 0) > NAMESPACE_BYTES:
            new = None
        was_omitted = ref in self.omitted.get(key, ())
        self._set(key, ref, new, omitted=new is None)
        self.dropped.discard(live["metadata"]["uid"])
        if new:
            self.changes.put(key, ref, live)
        if new or not was_omitted:
            self._wake_readers(key, ref)

    def drop_owned(self, live: Object) -> None:
        """Remove an object of a service, unless a newer object has the same name."""
        key, ref = service_and_ref(live)
        known = self.owned.get(key, {}).get(ref)
        self.dropped.add(live["metadata"]["uid"])
        if known is None or known.uid == live["metadata"]["uid"]:
            self._set(key, ref, None)
            self.service_of.pop((key.namespace, ref), None)
        self._wake_readers(key, ref)

    def _set(self, key: Key, ref: Ref, new: Stored | None, *, omitted: bool = False) -> None:
        """Store an object, or remove it for None, and count the bytes of the namespace."""
        objects, before = self.owned[key], self.owned[key].get(ref)
        self.changes.drop(key, ref)
        self._bytes[key.namespace] += (new.size if new else 0) - (before.size if before else 0)
        if new:
            objects[ref] = new
        else:
            objects.pop(ref, None)
        if not objects:
            del self.owned[key]
        names_only = self.omitted.get(key, frozenset()) - {ref} | ({ref} if omitted else set())
        if names_only:
            self.omitted[key] = names_only
        else:
            self.omitted.pop(key, None)

    def _wake_readers(self, key: Key, ref: Ref) -> None:
        """Wake the service of an object, and the other services whose plans depend on the object.

        Consumers read the provider's contract and remote endpoints; a provider that moves to another cluster reads the
        pods of consumers; the counterpart of a move reads all objects.
        """
        consumed = (ref.kind == "ConfigMap" and names.is_contract(key.name, ref.name)) or ref.kind == "EndpointSlice"
        self.wake(key, *(self.consumers(key) if consumed else ()))
        providers = self.consumes.get(key, ()) if ref.kind == "Pod" else ()
        moving = (provider for provider in providers if remote.is_remote(self.move_of(provider).destination))
        counterparts = (Key(namespace, key.name) for namespace in self.move_of(key) if namespace)
        self.wake(*moving, *counterparts, cause=key.namespace)

    def forget_objects(self, kind: str | None, namespace: str) -> None:
        """Remove the objects of a kind, or of all kinds, in a namespace that is not watched any more; wake no
        service."""
        for key in {key for key in (*self.owned, *self.omitted) if key.namespace == namespace}:
            refs = (*self.owned.get(key, ()), *self.omitted.get(key, ()))
            for ref in [ref for ref in refs if kind in (None, ref.kind)]:
                self._set(key, ref, None)
                self.service_of.pop((namespace, ref), None)

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
        if (before := self.service_of.get((key.namespace, ref))) and before != key:
            self._set(before, ref, None)
            self.wake(before)
        self.service_of[key.namespace, ref] = key

    def put_namespace(self, live: Object) -> None:
        """Store the labels of a namespace, on which a provider's consent may depend."""
        name, labels = live["metadata"]["name"], live["metadata"].get("labels", {})
        if self.namespaces.get(name) != labels:
            self.namespaces[name] = labels
            inside = [key for key in self.services if key.namespace == name]
            self.wake(*inside, *(provider for key in inside for provider in self.consumes.get(key, ())), cause=name)

    def drop_namespace(self, live: Object) -> None:
        self.namespaces.pop(live["metadata"]["name"], None)

    def put_storage_class(self, live: Object) -> None:
        """Store a storage class, and wake all services: some may wait for the class."""
        known = storage_class(live)
        self.storage_classes[known.name] = known
        self.wake(*self.services)

    def drop_storage_class(self, live: Object) -> None:
        self.storage_classes.pop(live["metadata"]["name"], None)
        self.wake(*self.services)

    def wake(self, *keys: Key, cause: str = "") -> None:
        """Wake the given services, if they are of this cluster and the service or an object of it exists.

        cause: the namespace of the change, which pays for the work that it causes elsewhere; empty if each pays itself,
        as consumers do: they chose to depend on a provider's changes.
        """
        for key in dict.fromkeys(keys):
            if (key in self.services or key in self.owned) and not remote.is_remote(key.namespace):
                if cause in ("", key.namespace):
                    self._wake(key)
                else:
                    self._wake_for(key, cause)


def _status_of(live: Object, kind: Type) -> str:
    conditions = live.get("status", {}).get("conditions", [])
    return str(next((c["status"] for c in conditions if c["type"] == kind), State.UNKNOWN))
