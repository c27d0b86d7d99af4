"""What a command may see: the shop and its neighbours, as the API server gives them, and what is printed of it."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import pytest
from freehold.cli import output
from freehold.core.model.resources import Key, Object
from freehold.kube import observation
from freehold.views.snapshot import Picture
from rich.console import RenderableType

from tests.unit.core.worlds import DATABASE, GRPC, IMAGE

PROVEN_AT = "2026-01-02T03:04:05Z"


def live(name: str, namespace: str = "shop", status: Object | None = None, **spec: Any) -> Object:
    """A Microservice with an image, and what else it declares."""
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-of-{name}", "generation": 1}
    return {"metadata": metadata, "spec": {"image": IMAGE, **spec}, "status": status or {}}


def picture(*listed: Object) -> Picture:
    """All of these, with every namespace's labels known."""
    by_key = {Key(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in listed}
    labels = {key.namespace: {"kubernetes.io/metadata.name": key.namespace} for key in by_key}
    return Picture({key: observation.parse(one) for key, one in by_key.items()}, by_key, labels)


def isolation(*differences: Object, pairs: int = 4) -> Object:
    return {"isolation": {"verifiedAt": PROVEN_AT, "pairs": pairs, "differences": list(differences)}}


def users(**status: Any) -> Object:
    return live("users", status=status, grpc=GRPC, database=DATABASE)


def storefront(**status: Any) -> Object:
    return live("storefront", status=status, http={"port": 8080}, consumes=[{"name": "users"}])


def printed(shown: Iterable[RenderableType]) -> str:
    """What a person reads, in a pipe, without the blanks at the ends of lines."""
    with pytest.MonkeyPatch.context() as patch, io.StringIO() as text:
        patch.setattr("sys.stdout", text)
        output.out(*shown)
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines())
