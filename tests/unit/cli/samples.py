"""Samples: Microservices as returned by the API server, snapshots of them, and printed output as text."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import pytest
from freehold.cli import output
from freehold.core.model.resources import Object
from freehold.kube import observation
from freehold.views.snapshot import Snapshot, key_of
from rich.console import RenderableType

from tests.unit.core.worlds import DATABASE, GRPC, IMAGE

VERIFIED_AT = "2026-01-02T03:04:05Z"


def live(name: str, namespace: str = "shop", status: Object | None = None, **spec: Any) -> Object:
    """A Microservice with an image and the given fields of its spec."""
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-of-{name}", "generation": 1}
    return {"metadata": metadata, "spec": {"image": IMAGE, **spec}, "status": status or {}}


def snapshot(*listed: Object) -> Snapshot:
    """A snapshot of Microservices, with the labels of their namespaces."""
    by_key = {key_of(each): each for each in listed}
    labels = {key.namespace: {"kubernetes.io/metadata.name": key.namespace} for key in by_key}
    return Snapshot({key: observation.parse(each) for key, each in by_key.items()}, by_key, labels)


def isolation(*differences: Object, pairs: int = 4) -> Object:
    """A status with the result of connection attempts."""
    return {"isolation": {"verifiedAt": VERIFIED_AT, "pairs": pairs, "differences": list(differences)}}


def users(**status: Any) -> Object:
    """A service with an endpoint and a database."""
    return live("users", status=status, grpc=GRPC, database=DATABASE)


def storefront(**status: Any) -> Object:
    """A service with a page, a consumer of users."""
    return live("storefront", status=status, http={"port": 8080}, consumes=[{"name": "users"}])


def printed(parts: Iterable[RenderableType]) -> str:
    """The output in a pipe, without spaces at the ends of lines."""
    with pytest.MonkeyPatch.context() as patch, io.StringIO() as text:
        patch.setattr("sys.stdout", text)
        output.show(*parts)
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines())
