"""Declarations of the commands that show services: matrix, why, graph, status."""

from __future__ import annotations

import sys

import click

from freehold.cli import completion
from freehold.cli.connection import Connection
from freehold.cli.options import connection_options, output_option


@click.command()
@connection_options()
@output_option("wide", "json", "yaml")
def matrix(connection: Connection, output: str | None) -> None:
    """Show which service reaches which port, declared and verified.

    ✓ open, · closed, ✗ found other than declared, ? unknown. Exit code 1: at least one ✗.
    """
    from freehold.cli.commands import matrix as command

    sys.exit(command.run(connection, output))


@click.command()
@click.argument("source", metavar="FROM", shell_complete=completion.services)
@click.argument("target", metavar="TO", shell_complete=completion.services)
@connection_options(all_namespaces=False)
def why(connection: Connection, source: str, target: str) -> None:
    """Explain why FROM reaches TO or not.

    FROM is a service as `name` or `namespace/name`; `unmanaged` for any pod without a Microservice; or `gateway
    namespace/name` in quotes for the proxies of a Gateway. TO is a service, `name:port`, or `name-database`. A refusal
    names the fields to change. Exit code 0: open; 1: refused.
    """
    from freehold.cli.commands import why as command

    sys.exit(command.run(connection, source, target))


@click.command()
@connection_options()
@output_option("tree", "dot", "mermaid", "json", "yaml", default="tree")
def graph(connection: Connection, output: str) -> None:
    """Show services, their databases and their providers.

    A service is followed by its latency budget and the longest path of calls from the service.
    """
    from freehold.cli.commands import graph as command

    command.run(connection, output)


@click.command()
@click.argument("name", required=False, metavar="[SERVICE]", shell_complete=completion.services)
@connection_options()
@output_option("json", "yaml")
@click.option("-w", "--watch", is_flag=True, help="Continue, and print changes.")
def status(connection: Connection, name: str | None, output: str | None, watch: bool) -> None:
    """Show readiness, endpoints and unmet conditions.

    READY is True, Unknown (in progress) or False (needs a person), for the current generation. Below the table, each
    unmet condition with its message. Exit code 1: a service is not ready.
    """
    from freehold.cli.commands import status as command

    sys.exit(command.run(connection, name, output, watch=watch))
