"""Completion in a shell, of `freehold` by itself and of `kubectl freehold` through kubectl."""

from __future__ import annotations

import asyncio
import sys

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from freehold.cli.place import Failure, Place

VARIABLE = "_FREEHOLD_COMPLETE"
PATIENCE_SECONDS = 3.0
NO_FILES, FILES = ":4", ":0"
"""Directives of cobra, by which kubectl is told whether to offer files as well."""


def script(program: click.Command, shell: str) -> str:
    """What a shell reads to complete `freehold`."""
    made = get_completion_class(shell)
    assert made is not None, shell
    return made(program, {}, "freehold", VARIABLE).source()


def for_kubectl() -> None:
    """kubectl runs this as `kubectl_complete-freehold` with the words so far, the unfinished one last."""
    from freehold.cli.main import freehold

    *words, unfinished = sys.argv[1:] or [""]
    items = ShellComplete(freehold, {}, "kubectl freehold", VARIABLE).get_completions(words, unfinished)
    for item in items:
        if item.type == "plain":
            click.echo(f"{item.value}\t{item.help}" if item.help else item.value)
    click.echo(FILES if any(item.type == "file" for item in items) else NO_FILES)


def services(context: click.Context, _: click.Parameter, unfinished: str) -> list[CompletionItem]:
    """The services there are; none where the cluster cannot be asked, for a shell is no place for errors."""
    given = context.params.get
    place = Place(given("kubeconfig"), given("context"), given("namespace"))

    async def names() -> list[str]:
        from freehold.cli.picture import read

        async with asyncio.timeout(PATIENCE_SECONDS), place.open() as (api, namespace):
            return [key.name for key in (await read(api, namespace)).services]

    try:
        return [CompletionItem(name) for name in asyncio.run(names()) if name.startswith(unfinished)]
    except (Failure, TimeoutError):
        return []
