"""A service that starts slowly: the reason is named, and a longer time for the start lets it serve."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import offered
from tests.e2e.support import image_layers
from tests.e2e.support.cluster import Cluster, Space
from tests.e2e.support.microservices import microservice

START_SECONDS = 45
"""Longer than the contract reader waits by default."""


@pytest.fixture
def late(cluster: Cluster, tmp_path: Path) -> str:
    """An image that listens after START_SECONDS."""
    return image_layers.offering(cluster.stage, "late", tmp_path, offered.users(), f"late={START_SECONDS}")


def test_startup_timed_out_and_raised(yard: Space, late: str) -> None:
    """A container that is ended too early is reported as such, although it leaves well; spec.startupTimeout helps."""
    yard.apply(microservice("late", image=late, grpc={"contract": "None"}, startupTimeout="10s"))

    said = yard.until_condition("late", "EndpointReady", "False", "StartupTimedOut", within=90)

    assert "was ended because it did not become ready within 10 s; raise spec.startupTimeout" in said
    yard.until_event("late", "Warning", "StartupTimedOut")
    yard.spec("late", startupTimeout="3min")
    yard.until_ready("late", within=150)


def test_startup_contract_read(yard: Space, late: str) -> None:
    """The contract reader waits as long as the service is declared to take."""
    yard.apply(microservice("read", image=late, grpc={}, startupTimeout="3min"))

    yard.until_ready("read", within=150)
    yard.until_condition("read", "ContractPublished", "True", within=150)
