"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from freehold.cli import completion
from freehold.cli.connection import Connection

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]

LANGUAGES = click.Choice(["python", "go", "java", "node"])
service_argument = click.argument("name", metavar="SERVICE", shell_complete=completion.services)


def connection_options(*, all_namespaces: bool = True) -> Decorator:
    """The options that select cluster and namespace; the command receives `connection`.

    all_namespaces: whether the command accepts -A.
    """
    options = [
        click.option(
            "-n",
            "--namespace",
            metavar="NAME",
            shell_complete=completion.namespaces,
            help="Namespace of the service; by default the namespace of the context.",
        ),
        click.option("--context", metavar="NAME", help="Context of the kubeconfig; by default the current context."),
        click.option("--kubeconfig", metavar="FILE", type=click.Path(), help="Kubeconfig; by default KUBECONFIG."),
    ]
    if all_namespaces:
        options.insert(1, click.option("-A", "--all-namespaces", is_flag=True, help="Read all namespaces."))

    def decorate(command: Command) -> Command:
        @wraps(command)
        def connected(
            kubeconfig: str | None,
            context: str | None,
            namespace: str | None,
            all_namespaces: bool = False,
            **others: Any,
        ) -> Any:
            return command(connection=Connection(kubeconfig, context, namespace, all_namespaces), **others)

        for option in reversed(options):
            connected = option(connected)
        return connected

    return decorate


def output_option(*formats: str, default: str | None = None) -> Decorator:
    """Option -o with these formats; the command receives `output`."""
    return click.option("-o", "--output", type=click.Choice(formats), default=default, help="Output format.")
