"""The order of lanes."""

from __future__ import annotations

from freehold.core.model.lanes import Lanes
from freehold.core.model.resources import Key


def keys(namespace: str, number: int) -> list[Key]:
    return [Key(namespace, f"s{index}") for index in range(number)]


def taken(lanes: Lanes, most: int = 1000) -> list[Key]:
    found = (lanes.take() for _ in range(most))
    return [entry[1] for entry in found if entry]


def test_lanes_take_turns() -> None:
    """A service waits for at most one service of each other namespace, however many wait there."""
    lanes = Lanes()
    for key in (*keys("evil", 400), *keys("other", 2), *keys("shop", 2)):
        lanes.put(key.namespace, key)
    assert [str(key) for key in taken(lanes, 7)] == [
        *("evil/s0", "other/s0", "shop/s0"),
        *("evil/s1", "other/s1", "shop/s1"),
        "evil/s2",
    ]
    lanes.put("shop", Key("shop", "s0"))
    assert [str(key) for key in taken(lanes, 2)] == ["evil/s3", "shop/s0"]
    assert taken(lanes) == keys("evil", 400)[4:], "the order within a lane stays"
    assert lanes.take() is None


def test_service_waits_once_in_a_lane() -> None:
    """A service that waits in several lanes is taken once; each lane forgets the service."""
    lanes, users = Lanes(), Key("shop", "users")
    for lane in ("evil", "evil", "shop"):
        lanes.put(lane, users)
    assert lanes.take() == ("evil", users)
    assert lanes.take() is None


def test_lane_not_admitted_keeps_its_place() -> None:
    """A lane that is not admitted is passed over, and is the next when admitted."""
    lanes = Lanes()
    for key in (*keys("evil", 2), *keys("shop", 2)):
        lanes.put(key.namespace, key)
    assert lanes.take(lambda lane: lane != "evil") == ("shop", Key("shop", "s0"))
    assert lanes.take() == ("evil", Key("evil", "s0"))
    assert lanes.take(lambda _: False) is None
