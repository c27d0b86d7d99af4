"""What the cluster holds of Freehold's, kept up to date by watches and kept small.

An object is stored compressed, without what only the API server cares for, for a service has about fifteen and is
looked at rarely. Services are indexed by who names them, so that a change on one side wakes the other.
"""

from __future__ import annotations

import sys
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from freehold.core.model import remote
from freehold.core.model.conditions import State, Type
from freehold.core.model.resources import EMPTY, CallNode, Key, Object, Ref, StorageClass
from freehold.core.objects import meta, names
from freehold.core.peers import aliases
from freehold.kube.stored import Stored, store

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


class Moves(NamedTuple):
    """The namespaces that a service goes to, or still leads to, and whose service of its name it takes over."""

    to: str = ""
    whence: str = ""


NOT_MOVING = Moves()


class Cache:
    """The one picture of the cluster. `wake` is called with each service that may have something to do."""

    def __init__(self, wake: Callable[[Key], None]) -> None:
        self._wake = wake
        self.services: dict[Key, Stored] = {}
        self.owned: defaultdict[Key, dict[Ref, Stored]] = defaultdict(dict)
        self.consumes: dict[Key, frozenset[Key]] = {}
        self.graph: dict[Key, CallNode] = {}
        self.moves: dict[Key, Moves] = {}
        self._consumers: defaultdict[Key, set[Key]] = defaultdict(set)
        self.ready: set[Key] = set()
        self.verified: dict[Key, str] = {}
        self.addresses: dict[Key, tuple[str, ...]] = {}
        self.shadows: set[Key] = set()
        self._places: dict[tuple[str, Ref], Key] = {}
        self.namespaces: dict[str, dict[str, str]] = {}
        self.storage_classes: dict[str, StorageClass] = {}

    @property
    def here(self) -> list[Key]:
        """The services of this cluster."""
        return [key for key in self.services if not remote.is_remote(key.namespace)]

    def put_service(
        self,
        live: Object,
        consumes: frozenset[Key],
        addresses: tuple[str, ...] = (),
        shadow: bool = False,
        stand: CallNode = EMPTY,
        moves: Moves = NOT_MOVING,
    ) -> None:
        """Take in a Microservice; itself, those it names and those that name it may have something to do.

        addresses: of its doors, as `host:port`. shadow: whether no wall stands around it. stand: whom it calls, and how
        long that may take; where this changed, all above it, whose paths lead through it, may have something to do.
        moves: between namespaces; all who have to do with either side may have something to do.
        """
        key = Key(live["metadata"]["namespace"], live["metadata"]["name"])
        known, new = self.services.get(key), store(live)
        if known and known.uid == new.uid and known.version >= new.version:
            return
        before, above = self.consumes.get(key, frozenset()), self._place(key, stand)
        concerned = {**self._concerned(key), **self._relocate(key, moves)}
        self.services[key] = new
        (self.ready.add if _status_of(live, Type.READY) == State.TRUE else self.ready.discard)(key)
        self.verified[key] = _status_of(live, Type.ISOLATION_VERIFIED)
        self._name(key, consumes)
        self.addresses[key] = addresses
        (self.shadows.add if shadow else self.shadows.discard)(key)
        self.wake(key, *before, *consumes, *self.consumers(key), *above, *concerned)

    def drop_service(self, key: Key) -> None:
        """Forget a Microservice; those it named and those that name it may have something to do."""
        self.services.pop(key, None)
        self.ready.discard(key)
        self.addresses.pop(key, None)
        self.shadows.discard(key)
        self.verified.pop(key, None)
        before = self.consumes.get(key, frozenset())
        self._name(key, frozenset())
        self.consumes.pop(key, None)
        above, concerned = self._place(key, None), self._concerned(key)
        self.moves.pop(key, None)
        self.wake(key, *before, *self.consumers(key), *above, *concerned)

    def consumers(self, provider: Key) -> Iterator[Key]:
        """The services that declare to consume this one, by the name it has or one that leads to it."""
        called = aliases.all_names(self.aliases, provider)
        return iter(sorted({consumer for one in called for consumer in self._consumers.get(one, ())}))

    @property
    def aliases(self) -> dict[Key, Key]:
        """The services that go to another namespace, or lead there, each with the one that says to take over."""
        going = ((key, Key(moves.to, key.name)) for key, moves in self.moves.items() if moves.to)
        return {key: to for key, to in going if self.moves.get(to, NOT_MOVING).whence == key.namespace}

    def moves_here(self) -> Iterator[Moves]:
        """Of the services of this cluster."""
        return (moves for key, moves in self.moves.items() if not remote.is_remote(key.namespace))

    def _relocate(self, key: Key, moves: Moves) -> dict[Key, None]:
        """Take in where a service goes and what it takes over; returns whom that concerns."""
        if moves == NOT_MOVING:
            self.moves.pop(key, None)
        else:
            self.moves[key] = moves
        return self._concerned(key)

    def _concerned(self, key: Key) -> dict[Key, None]:
        """Those on the other side of a move, and all whom either side consumes or is consumed by."""
        moves = self.moves.get(key)
        if moves is None:
            return {}
        sides = (Key(namespace, key.name) for namespace in moves if namespace)
        others = (one for side in sides for one in (side, *self.consumers(side), *self.consumes.get(side, ())))
        return dict.fromkeys(others)

    def above(self, key: Key) -> dict[Key, None]:
        """Those that declare to consume a service, directly or by way of others, the nearest first."""
        found = dict.fromkeys(self.consumers(key))
        waiting = deque(found)
        while waiting:
            further = [consumer for consumer in self.consumers(waiting.popleft()) if consumer not in found]
            found.update(dict.fromkeys(further))
            waiting.extend(further)
        return found

    def _name(self, consumer: Key, consumes: frozenset[Key]) -> None:
        """Which services a consumer names from now on."""
        before = self.consumes.get(consumer, frozenset())
        self.consumes[consumer] = consumes
        for provider in consumes - before:
            self._consumers[provider].add(consumer)
        for provider in before - consumes:
            self._consumers[provider].discard(consumer)
            if not self._consumers[provider]:
                del self._consumers[provider]

    def _place(self, key: Key, stand: CallNode | None) -> Iterable[Key]:
        """Where a service stands from now on; returns those whose paths change with it, none where nothing changed."""
        if self.graph.get(key) == stand:
            return ()
        if stand is None:
            del self.graph[key]
        else:
            self.graph[key] = stand
        return self.above(key)

    def put_owned(self, live: Object) -> None:
        """Take in an object of a service's; an older version than the one known is ignored."""
        key, ref = _belongs(live)
        self._move(key, ref)
        known = self.owned[key].get(ref)
        new = store(live)
        if known and known.uid == new.uid and known.version >= new.version:
            return
        self.owned[key][ref] = new
        self.wake(key, *self._readers_of(key, ref))

    def drop_owned(self, live: Object) -> None:
        key, ref = _belongs(live)
        known = self.owned[key].get(ref)
        if known and known.uid == live["metadata"]["uid"]:
            del self.owned[key][ref]
            self._places.pop((key.namespace, ref), None)
        if not self.owned[key]:
            del self.owned[key]
        self.wake(key, *self._readers_of(key, ref))

    def _readers_of(self, key: Key, ref: Ref) -> Iterator[Key]:
        """Those who look at an object of another's: consumers, at what their provider offers and at where it stands in
        another cluster; such a provider, at where its consumers stand; and the other side of a move, at all of it."""
        if (ref.kind == "ConfigMap" and names.is_contract(key.name, ref.name)) or ref.kind == "EndpointSlice":
            yield from self.consumers(key)
        if ref.kind == "Pod":
            providers = self.consumes.get(key, ())
            yield from (one for one in providers if remote.is_remote(self.moves.get(one, NOT_MOVING).to))
        yield from (Key(namespace, key.name) for namespace in self.moves.get(key, ()) if namespace)

    def forget(self, kind: str | None, namespace: str) -> None:
        """Objects of a kind, or of all, that is no longer watched in a namespace; nobody is woken."""
        for key in [key for key in self.owned if key.namespace == namespace]:
            for ref in [ref for ref in self.owned[key] if kind in (None, ref.kind)]:
                del self.owned[key][ref]
                self._places.pop((namespace, ref), None)
            if not self.owned[key]:
                del self.owned[key]

    def forget_place(self, namespace: str) -> None:
        """All of a namespace of another cluster."""
        self.forget(None, namespace)
        for key in [key for key in self.services if key.namespace == namespace]:
            self.drop_service(key)

    def wake_around(self, namespace: str) -> None:
        """Wake those that move to a namespace, or come from there."""
        self.wake(*(key for key, moves in self.moves.items() if namespace in moves))

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
        """Wake those of these services that exist in this cluster, or of which something is left."""
        for key in dict.fromkeys(keys):
            if (key in self.services or key in self.owned) and not remote.is_remote(key.namespace):
                self._wake(key)


def _status_of(live: Object, kind: Type) -> str:
    conditions = live.get("status", {}).get("conditions", [])
    return str(next((c["status"] for c in conditions if c["type"] == kind), State.UNKNOWN))


def _belongs(live: Object) -> tuple[Key, Ref]:
    metadata = live["metadata"]
    # Decoded JSON has a text of its own for each time one occurs; these occur once for each object.
    key = Key(sys.intern(metadata["namespace"]), sys.intern(metadata["labels"].get(meta.INSTANCE, "")))
    return key, Ref(sys.intern(live["kind"]), metadata["name"])
