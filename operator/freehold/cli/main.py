"""The `freehold` command, also run as `kubectl freehold`.

Each command imports its own module when the command runs: the operator's process loads no code for terminals.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from freehold.cli import completion
from freehold.cli.groups.clusters import cluster
from freehold.cli.groups.contracts import client, contract
from freehold.cli.groups.move import move
from freehold.cli.groups.services import graph, matrix, status, why
from freehold.cli.options import LANGUAGES
from freehold.core.model import messages
from freehold.views.errors import Failure

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class CommandFailed(click.ClickException):
    """A Failure on a terminal: `Error:`, one sentence, exit code 2."""

    exit_code = 2


class Program(click.Group):
    """The group of all commands."""

    def invoke(self, context: click.Context) -> Any:
        """Run a command; print a Failure as an error."""
        try:
            return super().invoke(context)
        except Failure as failure:
            raise CommandFailed(messages.visible_lines(failure.message)) from failure


def main() -> None:
    """Run a command. Exit code 2: the command failed; 1: the command succeeded, and the answer is no."""
    plugin = Path(sys.argv[0]).name.startswith("kubectl-")
    freehold(prog_name="kubectl freehold" if plugin else "freehold", complete_var=completion.VARIABLE)


def complete_for_kubectl() -> None:
    """Entry point of `kubectl_complete-freehold`: print completions for the words in sys.argv."""
    click.echo("\n".join(completion.for_kubectl(freehold, sys.argv[1:])))


@click.group(cls=Program, context_settings=SETTINGS)
def freehold() -> None:
    """Databases, endpoints and isolation for every microservice."""


@freehold.command()
@click.option("--liveness", metavar="URL", default="http://[::]:8080/healthz", help="Address for liveness probes.")
@click.option(
    "--metrics-port",
    metavar="PORT",
    type=int,
    envvar="FREEHOLD_METRICS_PORT",
    help="Port for Prometheus metrics, at /metrics; also by the variable FREEHOLD_METRICS_PORT.",
)
def operator(liveness: str, metrics_port: int | None) -> None:
    """Run the operator.

    In a pod, for its cluster; elsewhere, for the cluster of KUBECONFIG.
    """
    from freehold.cli.commands import operator as command

    command.run(liveness, metrics_port)


@freehold.command()
def crd() -> None:
    """Print the CustomResourceDefinition."""
    from freehold.api.crd import as_yaml

    click.echo(as_yaml(), nl=False)


@freehold.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def print_completion(shell: str) -> None:
    """Print the completion script of a shell.

    Example: source <(freehold completion bash). kubectl completes `kubectl freehold` by its own script.
    """
    click.echo(completion.script(freehold, shell))


@freehold.command()
@click.argument("name")
@click.option("--lang", "language", type=LANGUAGES, required=True, help="Language of the service.")
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), default=Path(), help="Parent directory.")
def new(name: str, language: str, out: Path) -> None:
    """Create a new service.

    Creates directory NAME with a service that builds, passes its own tests and becomes Ready when applied: contract,
    migration, image, Tiltfile, Microservice. An existing directory is never changed.
    """
    from freehold.cli.commands import new as command

    command.run(name, language, out)


for command in (matrix, why, graph, status, move, cluster, contract, client):
    freehold.add_command(command)
