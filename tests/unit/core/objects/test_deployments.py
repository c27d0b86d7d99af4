"""The image of a live Deployment."""

from __future__ import annotations

import pytest
from freehold.core.model.resources import Object
from freehold.core.objects import deployments, meta


@pytest.mark.parametrize(
    ("annotations", "image"),
    [({meta.IMAGE: "users:1"}, "users:1"), ({}, "mirror.example/users:1"), (None, "mirror.example/users:1")],
)
def test_declared_image(annotations: Object | None, image: str) -> None:
    """The declared image counts, and not the one that admission has written; without a record, the container's."""
    metadata = {} if annotations is None else {"annotations": annotations}
    containers = [{"name": "service", "image": "mirror.example/users:1"}]
    live = {"metadata": metadata, "spec": {"template": {"spec": {"containers": containers}}}}
    assert deployments.image_of(live) == image
