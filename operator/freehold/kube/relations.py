"""The relations between services: who consumes whom, and which service moves where."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from freehold.core.model import remote
from freehold.core.model.resources import CallNode, Key
from freehold.core.peers import aliases


class Moves(NamedTuple):
    """The namespaces of a service's moves.

    destination: to which the service moves, or to which the endpoint still redirects. origin: of the service of the
    same name that is replaced. Both are empty without a move.
    """

    destination: str = ""
    origin: str = ""


NOT_MOVING = Moves()


class Relations:
    """An index of services by their consumers, and by their moves.

    consumes: the providers of each service. graph: the call graph. moves: the moving services.
    """

    def __init__(self) -> None:
        self.consumes: dict[Key, frozenset[Key]] = {}
        self.graph: dict[Key, CallNode] = {}
        self.moves: dict[Key, Moves] = {}
        self._consumers: defaultdict[Key, set[Key]] = defaultdict(set)

    @property
    def aliases(self) -> dict[Key, Key]:
        """The moving services, each with the service at the destination, where both sides declare the move."""
        moving = ((key, Key(moves.destination, key.name)) for key, moves in self.moves.items() if moves.destination)
        return {key: target for key, target in moving if self.move_of(target).origin == key.namespace}

    def move_of(self, key: Key) -> Moves:
        """Return the moves of a service; NOT_MOVING without a move."""
        return self.moves.get(key, NOT_MOVING)

    def local_moves(self) -> Iterator[Moves]:
        """Yield the moves of the services of the operator's cluster."""
        return (moves for key, moves in self.moves.items() if not remote.is_remote(key.namespace))

    def consumers(self, provider: Key) -> Iterator[Key]:
        """Return the services that consume a provider, by the current name or by an alias."""
        names = aliases.all_names(self.aliases, provider)
        return iter(sorted({consumer for name in names for consumer in self._consumers.get(name, ())}))

    def transitive_consumers(self, key: Key) -> dict[Key, None]:
        """Return the services that consume a service directly or through others, the nearest first."""
        found = dict.fromkeys(self.consumers(key))
        waiting = deque(found)
        while waiting:
            further = [consumer for consumer in self.consumers(waiting.popleft()) if consumer not in found]
            found.update(dict.fromkeys(further))
            waiting.extend(further)
        return found

    def affected_by_move(self, key: Key) -> dict[Key, None]:
        """Return the counterparts of a moving service, with the consumers and providers of each counterpart."""
        counterparts = [Key(namespace, key.name) for namespace in self.move_of(key) if namespace]
        affected = ((other, *self.consumers(other), *self.consumes.get(other, ())) for other in counterparts)
        return dict.fromkeys(each for group in affected for each in group)

    def set_consumed(self, consumer: Key, providers: frozenset[Key]) -> None:
        """Record the providers of a service."""
        before = self.consumes.get(consumer, frozenset())
        self.consumes[consumer] = providers
        for provider in providers - before:
            self._consumers[provider].add(consumer)
        for provider in before - providers:
            self._consumers[provider].discard(consumer)
            if not self._consumers[provider]:
                del self._consumers[provider]

    def set_node(self, key: Key, node: CallNode | None) -> Iterable[Key]:
        """Record the call-graph node of a service, None for removal.

        Returns the services whose call paths change: none if the node is the same.
        """
        if self.graph.get(key) == node:
            return ()
        if node is None:
            del self.graph[key]
        else:
            self.graph[key] = node
        return self.transitive_consumers(key)

    def set_moves(self, key: Key, moves: Moves) -> dict[Key, None]:
        """Record the moves of a service. Returns the affected services, before and after."""
        before = self.affected_by_move(key)
        if moves == NOT_MOVING:
            self.moves.pop(key, None)
        else:
            self.moves[key] = moves
        return {**before, **self.affected_by_move(key)}
