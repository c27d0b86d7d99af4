"""Declaration of the command that moves a service."""

from __future__ import annotations

import sys

import click

from freehold.cli import completion
from freehold.cli.connection import Connection
from freehold.cli.options import connection_options, output_option, service_argument


@click.command()
@service_argument
@click.option("--zone", metavar="ZONE", shell_complete=completion.zones, help="Move to the nodes of this zone.")
@click.option(
    "--node-label",
    "node_labels",
    metavar="KEY=VALUE",
    multiple=True,
    shell_complete=completion.node_labels,
    help="Move to nodes with this label; may be repeated.",
)
@click.option(
    "--class",
    "storage_class",
    metavar="NAME",
    shell_complete=completion.storage_classes,
    help="Move the data to a volume of this storage class.",
)
@click.option(
    "--to-namespace",
    metavar="NAME",
    shell_complete=completion.namespaces,
    help="Move to this namespace, without any other destination.",
)
@click.option(
    "--to-cluster",
    metavar="NAME",
    shell_complete=completion.clusters,
    help="Move to this cluster, by its name in `cluster link`, without any other destination.",
)
@click.option("--rollback", is_flag=True, help="Return to the place before the switchover.")
@click.option("--pause", is_flag=True, help="Hold the move before its next step.")
@click.option("--resume", is_flag=True, help="Continue a paused move.")
@click.option("--abort", is_flag=True, help="Before the switchover: cancel the move.")
@click.option("--wait/--no-wait", default=True, help="Follow the move to its end, or return at once.  [default: wait]")
@connection_options(all_namespaces=False)
@output_option("json", "yaml")
def move(
    connection: Connection,
    name: str,
    zone: str | None,
    node_labels: tuple[str, ...],
    storage_class: str | None,
    to_namespace: str | None,
    to_cluster: str | None,
    rollback: bool,
    pause: bool,
    resume: bool,
    abort: bool,
    wait: bool,
    output: str | None,
) -> None:
    """Move SERVICE with its database and pods.

    The destination is a zone, nodes with labels, a storage class, or these together; or a namespace; or a cluster.
    Without a destination and without --rollback, --pause, --resume or --abort, follow the current move. Ctrl-C does not
    stop the move. With -o, print only the resulting status.move. Exit code 0: at the destination; 1: the move stopped,
    and the service runs at its previous place.
    """
    from freehold.cli.commands import move as command
    from freehold.cli.commands.move import Destination

    destination = Destination(zone, node_labels, storage_class, to_namespace, to_cluster)
    given = {"rollback": rollback, "pause": pause, "resume": resume, "abort": abort}
    actions = [action for action, chosen in given.items() if chosen]
    sys.exit(command.run(connection, name, destination, actions, output, wait=wait))
