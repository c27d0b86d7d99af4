"""Sets of integers as sorted, disjoint, inclusive ranges; used for addresses and ports."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import TypeAlias

Range: TypeAlias = tuple[int, int]
Ranges: TypeAlias = tuple[Range, ...]

ALL_ADDRESSES: Ranges = ((0, 2**32 - 1),)
ALL_PORTS: Ranges = ((0, 2**16 - 1),)


def merged(ranges: Iterable[Range]) -> Ranges:
    """Return the same integers in the fewest ranges, ascending; nft rejects overlapping ranges."""
    result: list[Range] = []
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(result[-1][1], last))
        else:
            result.append((first, last))
    return tuple(result)


def without(ranges: Ranges, holes: Iterable[Range]) -> Ranges:
    """Return `ranges` without the integers in `holes`."""
    for low, high in holes:
        below = [(first, min(last, low - 1)) for first, last in ranges if first < low]
        above = [(max(first, high + 1), last) for first, last in ranges if last > high]
        ranges = merged(below + above)
    return ranges


def contains(ranges: Ranges, number: int) -> bool:
    """Whether `number` is in one of `ranges`."""
    return any(first <= number <= last for first, last in ranges)


def network_range(network: IPv4Network) -> Range:
    """Return the first and last address of `network` as integers."""
    return int(network.network_address), int(network.broadcast_address)
