"""A move completes with one primary although a node, or its network, is lost and returns.

These stories take minutes, and a lost node affects every other story; `make campaign` runs them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from localcluster import cluster as local
from localcluster.paths import ClusterPaths
from localcluster.run import run
from tests.e2e.support import moves
from tests.e2e.support.cluster import Space
from tests.e2e.support.moves import OTHER, move, reached
from tests.e2e.support.write_load import SERVERS, Checker, Writer

pytestmark = [pytest.mark.alone, pytest.mark.campaign]

ROWS = 25
"""Registrations a second."""
WITHIN = 240
"""Seconds until the move has ended, restarts included."""
AWAY = 15.0
"""Seconds without a network: longer than the switchover waits for the candidate."""
SIDES, STEPS = ("source", "destination"), ("InitialCopy", "fencing")
PAIRS = [(what, whose, step) for what in ("network", "node") for whose in SIDES for step in STEPS]


@contextmanager
def without_network(zone: str) -> Iterator[None]:
    """Interrupt the network between a node and the rest of the cluster for the duration of the block."""
    wire, hub = f"node-{zone}", local.describe(ClusterPaths(), local.settings(ClusterPaths())).network.hub
    cut = f"""table inet cut {{
      chain from {{ type filter hook prerouting priority raw; iifname "{wire}" drop; }}
      chain to {{ type filter hook postrouting priority raw; oifname "{wire}" drop; }}
    }}"""
    nft = ["nsenter", f"--net=/run/netns/{hub}", "nft"]
    run([*nft, "-f", "-"], stdin=cut)
    try:
        yield
    finally:
        run([*nft, "delete", "table", "inet", "cut"])


def network_lost(zone: str) -> None:
    with without_network(zone):
        time.sleep(AWAY)


def node_lost(zone: str) -> None:
    """Kill every process of a node at once, as a loss of power does, and start the node again."""
    whole = local.describe(ClusterPaths(), local.settings(ClusterPaths()))
    (machine,) = (one for one in whole.nodes if one.name.endswith(f"-{zone}"))
    pid = machine.running()
    assert pid
    os.kill(pid, signal.SIGKILL)
    subprocess.run([sys.executable, "-m", "localcluster", "up"], check=True, timeout=WITHIN)


TROUBLES: dict[str, Callable[[str], None]] = {"network": network_lost, "node": node_lost}


@pytest.fixture(scope="module")
def estate(yard: Space) -> Space:
    """users in zone a, and the consumer whose pods write to users."""
    if yard.cluster.stage.kind != "local":
        pytest.skip("cuts a node of the local cluster off, which it knows the inside of")
    moves.start_users(yard)
    return yard


@pytest.mark.parametrize(("trouble", "whose", "step"), PAIRS)
def test_move_node_lost(estate: Space, trouble: str, whose: str, step: str) -> None:
    """A move completes with one primary although a node, or its network, is lost at a step and returns."""
    source = moves.primary(estate)
    (destination,) = set(SERVERS) - {source}
    (here,) = moves.zones(estate)
    there = OTHER[here]
    lost = {"source": here, "destination": there}[whose]
    moves.start_writers(estate, zone=OTHER[lost])  # the observers survive
    name = f"{trouble}-{whose}-{step}".lower()
    writer, checker = Writer(estate, ROWS, name), Checker(estate, name)
    move(estate, "--zone", there, "--no-wait")
    reached(estate, there, step)
    TROUBLES[trouble](lost)

    taken = moves.ended(estate, there, writer, checker, WITHIN)
    before, after = (taken[f"users-{server}-0.users-database-nodes"] for server in (source, destination))
    # A row may reach its server long after sending, once the network has returned.
    assert max(row.sent for row in before) < min(row.acknowledged for row in after), "two servers were open at once"
    moves.until_deleted(estate, source, within=WITHIN)
