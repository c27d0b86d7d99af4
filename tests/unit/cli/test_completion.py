"""Shell completion of names in the cluster, and the protocol of kubectl."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from click.shell_completion import ShellComplete
from freehold.cli import completion
from freehold.cli.connection import Connection
from freehold.cli.main import freehold
from freehold.core.model.resources import Object
from freehold.kube.errors import ClusterError
from freehold.kube.kinds import Kind
from freehold.views.errors import Failure


def named(name: str, **more: Any) -> Object:
    """An object with a name."""
    return {"metadata": {"name": name, **more.pop("metadata", {})}, **more}


LISTED: dict[str, list[Object]] = {
    "Node": [
        named("n1", metadata={"labels": {completion.ZONE: "a", "disk": "ssd"}}),
        named("n2", metadata={"labels": {completion.ZONE: "b"}}),
        named("n3", metadata={"labels": {completion.ZONE: "b"}}),
    ],
    "StorageClass": [named("standard"), named("fast")],
    "Namespace": [named("shop"), named("people")],
    "Secret": [named("west", data={"value": "…"}), named("users-database", data={"password": "…"})],
}


class Cluster:
    """A client with fixed objects."""

    async def pages(self, kind: Kind, _: str | None) -> AsyncIterator[tuple[list[Object], str]]:
        """The only page of a list."""
        yield LISTED[kind.name], "1"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Completion reads the fixed objects."""

    @asynccontextmanager
    async def connect(connection: Connection) -> AsyncIterator[tuple[Cluster, str]]:
        yield Cluster(), connection.namespace or "shop"

    monkeypatch.setattr(Connection, "open", connect)


def complete(*words: str) -> list[str]:
    """The completions of the last word."""
    program = ShellComplete(freehold, {}, "freehold", completion.VARIABLE)
    return [item.value for item in program.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("option", "unfinished", "found"),
    [
        ("--zone", "", ["a", "b"]),
        ("--node-label", "di", ["disk=ssd"]),
        ("--class", "", ["fast", "standard"]),
        ("--to-namespace", "", ["people"]),
        ("--to-cluster", "", ["west"]),
    ],
)
def test_completion_of_destinations(option: str, unfinished: str, found: list[str]) -> None:
    """Every destination option completes the names in the cluster."""
    assert complete("move", "users", option, unfinished) == found


@pytest.mark.usefixtures("cluster")
def test_completion_uses_given_namespace() -> None:
    """The namespace in -n is no destination."""
    assert complete("move", "users", "-n", "people", "--to-namespace", "") == ["shop"]


@pytest.mark.parametrize("error", [Failure("no cluster"), ClusterError(403, "no right"), TimeoutError()])
def test_completion_without_cluster(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a connection or a right, nothing is completed and nothing is printed."""

    @asynccontextmanager
    async def connect(_: Connection) -> AsyncIterator[tuple[Cluster, str]]:
        raise error
        yield Cluster(), ""

    monkeypatch.setattr(Connection, "open", connect)
    assert complete("move", "users", "--zone", "") == []


def test_completion_for_kubectl() -> None:
    """kubectl receives names with their help, and whether files complete a word."""
    lines = completion.for_kubectl(freehold, ["move", "--to-"])
    assert [line.partition("\t")[0] for line in lines] == ["--to-namespace", "--to-cluster", completion.NO_FILES]
    assert all("\tMove to this " in line for line in lines[:2])
    assert completion.for_kubectl(freehold, ["contract", "diff", "users", "--against", ""])[-1] == completion.FILES
    assert any(line.startswith("matrix\t") for line in completion.for_kubectl(freehold, []))
