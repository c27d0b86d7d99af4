"""Declarations of the commands for remote clusters: cluster link."""

from __future__ import annotations

import click

from freehold.cli import completion
from freehold.cli.connection import Connection
from freehold.cli.options import connection_options


@click.group()
def cluster() -> None:
    """Link clusters, for moves between clusters."""


@cluster.command()
@click.argument("name")
@click.argument("services", nargs=-1, shell_complete=completion.services)
@click.option(
    "--server", metavar="URL", help="API server as registered in the other cluster; default: the kubeconfig's."
)
@click.option("--days", type=click.IntRange(1, 365), default=30, show_default=True, help="Lifetime of the token.")
@click.option("--revoke", is_flag=True, help="Remove the access of every linked cluster to the namespace instead.")
@connection_options(all_namespaces=False)
def link(
    connection: Connection, name: str, services: tuple[str, ...], server: str | None, days: int, revoke: bool
) -> None:
    """Give another cluster read access to services that move.

    Prints a Secret for the other cluster, where the platform team registered this cluster as NAME. The token in the
    Secret may read Microservices, pods, volumes and other objects of this namespace, and the database credentials of
    the named SERVICES. Link both directions: freehold cluster link east users --context east -n shop | kubectl apply
    --context west -f -
    """
    from freehold.cli.commands import cluster_link as command

    if revoke:
        command.revoke(connection)
    elif services:
        command.run(connection, name, services, server, days)
    else:
        raise click.UsageError("name the services whose credentials the other cluster may read")
