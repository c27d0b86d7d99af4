"""The smallest volume of a database, as the API server accepts it."""

from __future__ import annotations

import pytest

from tests.api.cluster import Cluster
from tests.api.validation import microservice, refusal


@pytest.mark.parametrize("size", ["1", "63Mi", "64M"])
def test_schema_storage_too_small(cluster: Cluster, size: str) -> None:
    """A volume on which no database fits is refused with a sentence."""
    said = refusal(cluster, microservice(database={"storage": {"size": size}}))
    assert f"{size} is less than 64Mi, which an empty database takes" in said


@pytest.mark.parametrize("size", ["64Mi", "67108864", "1Gi"])
def test_schema_storage_smallest(cluster: Cluster, size: str) -> None:
    """The smallest volume is accepted, in any notation."""
    assert refusal(cluster, microservice(database={"storage": {"size": size}})) == ""
