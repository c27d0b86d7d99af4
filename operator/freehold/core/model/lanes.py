"""A fair queue: a lane for each namespace, and the lanes in turn."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)


class Lanes(Generic[Item]):
    """Waiting items, such as services. Each lane is first in first out; the lanes are served in turn, one item each
    (round robin).

    Hence an item at the head of its lane waits for at most one item of each other lane. An item waits at most once in a
    lane. An item that waits in several lanes leaves all when it is taken from one.
    """

    def __init__(self) -> None:
        self._lanes: OrderedDict[str, OrderedDict[Item, None]] = OrderedDict()
        self._lanes_of: dict[Item, set[str]] = {}

    def put(self, lane: str, item: Item) -> None:
        """Add an item to the end of a lane, unless the item waits there."""
        self._lanes.setdefault(lane, OrderedDict())[item] = None
        self._lanes_of.setdefault(item, set()).add(lane)

    def take(self, is_admitted: Callable[[str], bool] = lambda _: True) -> tuple[str, Item] | None:
        """Remove and return the next lane's first item, with the lane; None if no admitted lane has an item."""
        lane = next(filter(is_admitted, self._lanes), None)
        if lane is None:
            return None
        self._lanes.move_to_end(lane)
        item = next(iter(self._lanes[lane]))
        for each in self._lanes_of.pop(item):
            del self._lanes[each][item]
            if not self._lanes[each]:
                del self._lanes[each]
        return lane, item
