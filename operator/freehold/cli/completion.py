"""Completion in a shell, of `freehold` by itself and of `kubectl freehold` through kubectl."""

from __future__ import annotations

import asyncio

import click
from click.shell_completion import CompletionItem, get_completion_class

from freehold.cli.connection import Place
from freehold.views.errors import Failure

VARIABLE = "_FREEHOLD_COMPLETE"
PATIENCE_SECONDS = 3.0
NO_FILES, FILES = ":4", ":0"
"""Directives of cobra, by which kubectl is told whether to offer files as well."""


def script(program: click.Command, shell: str) -> str:
    """What a shell reads to complete `freehold`."""
    made = get_completion_class(shell)
    assert made is not None, shell
    return made(program, {}, "freehold", VARIABLE).source()


def services(context: click.Context, _: click.Parameter, unfinished: str) -> list[CompletionItem]:
    """The services there are; none where the cluster cannot be asked, for a shell is no place for errors."""
    given = context.params.get
    place = Place(given("kubeconfig"), given("context"), given("namespace"))

    async def names() -> list[str]:
        from freehold.views.snapshot import read

        async with asyncio.timeout(PATIENCE_SECONDS), place.open() as (api, namespace):
            return [key.name for key in (await read(api, namespace)).services]

    try:
        return [CompletionItem(name) for name in asyncio.run(names()) if name.startswith(unfinished)]
    except (Failure, TimeoutError):
        return []
