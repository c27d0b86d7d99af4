"""Generated worlds: the rendered tables and the reference implementation must agree on every connection."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings

from tests.unit.netpol.generated import ADDRESSES, OUTSIDE, connections, worlds
from tests.unit.netpol.oracle import Connection, World, permitted
from tests.unit.netpol.worlds import Cluster


@given(worlds())
@settings(max_examples=150, deadline=None)
def test_verdicts_match_oracle(world: World) -> None:
    """The tables accept exactly the connections that the API reference permits."""
    cluster = Cluster(world)
    differing = [
        (connection, verdict)
        for connection in connections(world)
        if ((verdict := cluster.verdict(connection)) == "accept") != permitted(world, connection)
    ]
    assert differing == []


@given(worlds())
@settings(max_examples=50, deadline=None)
def test_replies_and_vacant_addresses(world: World) -> None:
    """Replies pass; packets from vacant addresses are dropped, packets to them refused."""
    cluster = Cluster(world)
    vacant = [address for address in ADDRESSES if not world.pod_at(address)]
    for connection in connections(world):
        assert cluster.verdict(connection, reply=True) == "accept"
    for address, outside in product(vacant, OUTSIDE[:1]):
        assert cluster.verdict(Connection(address, outside, "TCP", 80), reply=True) == "drop"
        assert cluster.verdict(Connection(outside, address, "TCP", 80), reply=True) == "reject"
