"""Generated worlds: what the rendered tables do to every connection is what the API reference says of it."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings

from tests.unit.netpol.generated import ADDRESSES, OUTSIDE, connections, worlds
from tests.unit.netpol.oracle import Connection, World, permitted
from tests.unit.netpol.worlds import Cluster


@given(worlds())
@settings(max_examples=150, deadline=None)
def test_every_connection_fares_as_the_api_reference_says(world: World) -> None:
    cluster = Cluster(world)
    differing = [
        (connection, verdict)
        for connection in connections(world)
        if ((verdict := cluster.verdict(connection)) == "accept") != permitted(world, connection)
    ]
    assert differing == []


@given(worlds())
@settings(max_examples=50, deadline=None)
def test_replies_pass_and_addresses_nobody_holds_stay_shut(world: World) -> None:
    cluster = Cluster(world)
    vacant = [address for address in ADDRESSES if not world.pod_at(address)]
    for connection in connections(world):
        assert cluster.verdict(connection, reply=True) == "accept"
    for address, outside in product(vacant, OUTSIDE[:1]):
        assert cluster.verdict(Connection(address, outside, "TCP", 80), reply=True) == "drop"
        assert cluster.verdict(Connection(outside, address, "TCP", 80), reply=True) == "reject"
