"""Command `move`: options of the destination, the patch they write, and combinations that are refused."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from freehold.cli.commands.move.destination import ZONE, Destination, patch
from freehold.cli.main import freehold
from freehold.core.model.resources import Object
from freehold.views.errors import Failure

from tests.unit.cli.moves import nodes
from tests.unit.cli.samples import storefront, users

FAST = {"storage": {"className": "fast"}}


@pytest.mark.parametrize(
    ("destination", "written"),
    [
        (Destination(zone="b"), nodes({ZONE: "b"})),
        (
            Destination(node_labels=("topology.kubernetes.io/region=north", "disk=ssd")),
            nodes({"topology.kubernetes.io/region": "north", "disk": "ssd"}),
        ),
        (Destination(storage_class="fast"), {"spec": {"database": FAST}}),
        (Destination(zone="b", storage_class="fast"), nodes({ZONE: "b"}, database=FAST)),
        (Destination(zone="b", node_labels=(f"{ZONE}=b",)), nodes({ZONE: "b"})),
    ],
)
def test_destination_patch(destination: Destination, written: Object) -> None:
    """A destination is written as node labels and a storage class."""
    assert patch(users(), destination) == written


def test_destination_class_without_database() -> None:
    """A storage class is refused for a service without a database."""
    with pytest.raises(Failure) as refused:
        patch(storefront(), Destination(storage_class="fast"))
    assert refused.value.message == (
        "storefront has no database, so no storage class; move its pods with --zone or --node-label"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--zone b --rollback", "--rollback and --zone b exclude each other; give only one of them"),
        ("--node-label a=b --pause", "--pause and --node-label a=b exclude each other; give only one of them"),
        ("--abort --pause", "--pause and --abort exclude each other; give only one of them"),
        (
            "--to-namespace people --zone b",
            "--to-namespace people excludes --zone b; give only one of them, and change the rest after the move",
        ),
        (
            "--to-cluster west --to-namespace people",
            "--to-namespace people excludes --to-cluster west; give only one of them, and change the rest after the "
            "move",
        ),
        (
            "--to-cluster west --class fast --node-label disk=ssd",
            "--to-cluster west excludes --class fast and --node-label disk=ssd; give only one of them, and change the "
            "rest after the move",
        ),
        ("--zone zone=b", "--zone 'zone=b' is not the name of a zone; write the name alone: --zone b"),
        ("--node-label disk", "--node-label 'disk' is not KEY=VALUE; write the label of a node: disk=ssd"),
        ("--node-label disk=", "--node-label 'disk=' is not KEY=VALUE; write the label of a node: disk=ssd"),
        ("--node-label disk=a --node-label disk=b", "label disk has two values, a and b; give only one of them"),
        (f"--zone a --node-label {ZONE}=b", f"label {ZONE} has two values, a and b; give only one of them"),
        ("--class=", "--class has no value; write a name after the option"),
        ("--to-namespace=", "--to-namespace has no value; write a name after the option"),
    ],
)
def test_move_options_refused(options: str, message: str) -> None:
    """Wrong options are refused before any request, with a sentence that names the correction."""
    done = CliRunner().invoke(freehold, ["move", "users", "--kubeconfig", "/does/not/exist", *options.split()])
    assert (done.exit_code, done.stderr) == (2, f"Error: {message}\n")


@pytest.mark.parametrize("options", ["--zone b --class fast --node-label disk=ssd", "--to-namespace people", "--abort"])
def test_move_options_accepted(options: str) -> None:
    """Valid combinations pass the check, and the next step is the connection."""
    done = CliRunner().invoke(freehold, ["move", "users", "--kubeconfig", "/does/not/exist", *options.split()])
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: no cluster: /does/not/exist does not exist; ")
