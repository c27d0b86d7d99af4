"""The relations between services: who consumes whom, and which service moves where."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from freehold.core.model import remote
from freehold.core.model.resources import CallNode, Key
from freehold.core.peers import aliases, shares


class Moves(NamedTuple):
    """The namespaces of a service's moves.

    destination: to which the service moves, or to which the endpoint still redirects. origin: of the service of the
    same name that is replaced. Both are empty without a move.
    """

    destination: str = ""
    origin: str = ""


NOT_MOVING = Moves()
MOST_CALLS = 2000
"""The most declared calls that are followed from a changed service to the services above."""


class Relations:
    """An index of services by their consumers, and by their moves.

    consumes: the providers of each service. graph: the call graph. moves: the moving services.
    """

    def __init__(self) -> None:
        self.consumes: dict[Key, frozenset[Key]] = {}
        self.graph: dict[Key, CallNode] = {}
        self.moves: dict[Key, Moves] = {}
        self._consumers: defaultdict[Key, set[Key]] = defaultdict(set)
        self._crowds: dict[Key, frozenset[Key]] = {}

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

    def consumers(self, provider: Key, known: Mapping[Key, Key] | None = None) -> Iterator[Key]:
        """Return the services that consume a provider, by the current name or by an alias. known: the aliases, for
        callers that ask about many providers."""
        names = aliases.all_names(self.aliases if known is None else known, provider)
        return iter(sorted({consumer for name in names for consumer in self._consumers.get(name, ())}))

    def crowds(self, providers: Iterable[Key]) -> dict[Key, frozenset[Key]]:
        """Return the consumers of each provider with more than `shares.MOST`."""
        known = self.aliases
        return {provider: crowd for provider in providers if (crowd := self._crowd(provider, known))}

    def _crowd(self, provider: Key, known: Mapping[Key, Key]) -> frozenset[Key]:
        """Return the consumers of a provider with more than `shares.MOST`, else none; kept until they change."""
        names = aliases.all_names(known, provider)
        if sum(len(self._consumers.get(name, ())) for name in names) <= shares.MOST:
            return frozenset()
        if len(names) > 1:
            return frozenset(self.consumers(provider, known))
        if provider not in self._crowds:
            self._crowds[provider] = frozenset(self._consumers[provider])
        return self._crowds[provider]

    def transitive_consumers(self, key: Key) -> dict[Key, None]:
        """Return the services that consume a service directly or through others, the nearest first.

        After MOST_CALLS declared calls no further ones are followed: more distant consumers consider at most as many
        calls themselves, and learn of the change when they are next reconciled.
        """
        known = self.aliases
        found = dict.fromkeys(self.consumers(key, known))
        waiting, followed = deque(found), len(found)
        while waiting and followed < MOST_CALLS:
            consumers = dict.fromkeys(self.consumers(waiting.popleft(), known))
            followed += len(consumers)
            waiting.extend(consumer for consumer in consumers if consumer not in found)
            found.update(consumers)
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
        for provider in providers ^ before:
            self._crowds.pop(provider, None)
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
