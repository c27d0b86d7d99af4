"""Declarations of the commands for remote clusters: cluster link."""

from __future__ import annotations

import click

from freehold.cli.connection import Connection
from freehold.cli.options import connection_options


@click.group()
def cluster() -> None:
    """Link clusters, for moves between clusters."""


@cluster.command()
@click.argument("name")
@click.option(
    "--server", metavar="URL", help="API server as reachable from pods of the other cluster; default: the kubeconfig's."
)
@connection_options(all_namespaces=False)
def link(connection: Connection, name: str, server: str | None) -> None:
    """Give another cluster read access to a namespace.

    Prints a Secret for the other cluster, where this cluster is then called NAME. The kubeconfig in the Secret may read
    only this namespace, and there only Microservices, pods, volumes, Secrets and other objects of a move. Link both
    directions: freehold cluster link east --context east -n shop | kubectl apply --context west -f -
    """
    from freehold.cli.commands import cluster_link as command

    command.run(connection, name, server)
