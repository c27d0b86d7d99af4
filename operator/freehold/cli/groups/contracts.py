"""Declarations of the commands for contracts: contract show, contract diff, client."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from freehold.cli.connection import Connection
from freehold.cli.options import LANGUAGES, connection_options, output_option, service_argument


@click.group()
def contract() -> None:
    """Show contracts of services and their changes."""


@contract.command("show")
@service_argument
@connection_options(all_namespaces=False)
@output_option("json", "yaml", "binpb")
def show(connection: Connection, name: str, output: str | None) -> None:
    """Show the methods of SERVICE and their callers.

    The contract is read from the serving image. -o binpb prints the descriptor set for protoc, grpcurl or buf.
    """
    from freehold.cli.commands import contract as command

    sys.exit(command.show(connection, name, output))


@contract.command("diff")
@service_argument
@connection_options(all_namespaces=False)
@click.option(
    "--against",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Compare with a descriptor set (protoc --include_imports -o FILE) instead of the image in spec.image.",
)
@output_option("json", "yaml")
def diff(connection: Connection, name: str, against: Path | None, output: str | None) -> None:
    """Show contract changes and the consumers they break.

    Compares the contract of the serving image with the contract of the image in spec.image. ✗ breaks a consumer, !
    breaks only undeclared callers, + breaks nobody. Exit code 1: at least one ✗.
    """
    from freehold.cli.commands import contract as command

    sys.exit(command.diff(connection, name, against, output))


@click.command()
@service_argument
@connection_options(all_namespaces=False)
@click.option("--lang", type=LANGUAGES, required=True, help="Language of the stubs.")
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Directory of the stubs.",
)
@click.option("--force", is_flag=True, help="Overwrite files that differ.")
def client(connection: Connection, name: str, lang: str, out: Path, force: bool) -> None:
    """Write client stubs for SERVICE.

    The stubs are generated from the published contract, without .proto files. Python needs no other programs; for
    another language, missing plugins are named with the command that installs them.
    """
    from freehold.cli.commands import client as command

    sys.exit(command.run(connection, name, lang, out, force=force))
