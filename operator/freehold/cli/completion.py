"""Shell completion for `freehold`, and for `kubectl freehold` through kubectl."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from freehold.cli.connection import Connection
from freehold.views.errors import Failure

if TYPE_CHECKING:
    from freehold.kube.client import Api
    from freehold.kube.kinds import Kind

VARIABLE = "_FREEHOLD_COMPLETE"
TIMEOUT_SECONDS = 3.0
NO_FILES, FILES = ":4", ":0"
"""Directives of cobra for kubectl: complete without file names, or with file names."""
ZONE = "topology.kubernetes.io/zone"
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def script(program: click.Command, shell: str) -> str:
    """The script that a shell reads to complete `freehold`."""
    found = get_completion_class(shell)
    assert found is not None, shell
    return found(program, {}, "freehold", VARIABLE).source()


def for_kubectl(program: click.Command, words: list[str]) -> list[str]:
    """The lines that kubectl expects of a completion plugin. words: typed so far, the unfinished word last."""
    *complete, unfinished = words or [""]
    items = ShellComplete(program, {}, "kubectl freehold", VARIABLE).get_completions(complete, unfinished)
    plain = [f"{item.value}\t{item.help}" if item.help else item.value for item in items if item.type == "plain"]
    return [*plain, FILES if any(item.type == "file" for item in items) else NO_FILES]


def _completing(read: Callable[[Api, str], Awaitable[Iterable[str]]]) -> Complete:
    """Complete names that are read from the cluster; without a connection or a right, complete nothing."""

    def complete(context: click.Context, _: click.Parameter, unfinished: str) -> list[CompletionItem]:
        import_module("freehold.views.snapshot")  # before the timeout: on a busy machine the imports take seconds
        from freehold.kube.errors import ClusterError

        given = context.params.get
        connection = Connection(given("kubeconfig"), given("context"), given("namespace"))

        async def names() -> Iterable[str]:
            async with asyncio.timeout(TIMEOUT_SECONDS), connection.open() as (api, namespace):
                return await read(api, namespace)

        try:
            found = asyncio.run(names())
        except (Failure, ClusterError, TimeoutError):  # a shell shows no errors during completion
            return []
        return [CompletionItem(name) for name in sorted(set(found)) if name.startswith(unfinished)]

    return complete


async def _services(api: Api, namespace: str) -> Iterable[str]:
    from freehold.views.snapshot import read

    return [key.name for key in (await read(api, namespace)).services]


async def _zones(api: Api, _: str) -> Iterable[str]:
    return [value for labels in await _node_labels(api) for key, value in labels.items() if key == ZONE]


async def _labels(api: Api, _: str) -> Iterable[str]:
    return [f"{key}={value}" for labels in await _node_labels(api) for key, value in labels.items()]


async def _node_labels(api: Api) -> list[dict[str, str]]:
    from freehold.kube.kinds import Kind

    nodes = Kind("Node", "v1", "nodes", namespaced=False)
    return [live["metadata"].get("labels", {}) async for page, _ in api.pages(nodes, None) for live in page]


async def _storage_classes(api: Api, _: str) -> Iterable[str]:
    from freehold.kube.kinds import STORAGE_CLASS

    return await _names(api, STORAGE_CLASS)


async def _namespaces(api: Api, namespace: str) -> Iterable[str]:
    from freehold.kube.kinds import NAMESPACE

    return [name for name in await _names(api, NAMESPACE) if name != namespace]


async def _names(api: Api, kind: Kind) -> list[str]:
    return [live["metadata"]["name"] async for page, _ in api.pages(kind, None) for live in page]


async def _clusters(api: Api, namespace: str) -> Iterable[str]:
    from freehold.kube.kinds import SECRET
    from freehold.kube.kubeconfig import KEYS

    listed = [live async for page, _ in api.pages(SECRET, namespace) for live in page]
    return [live["metadata"]["name"] for live in listed if not live.get("data", {}).keys().isdisjoint(KEYS)]


services, namespaces, clusters = _completing(_services), _completing(_namespaces), _completing(_clusters)
zones, node_labels, storage_classes = _completing(_zones), _completing(_labels), _completing(_storage_classes)
