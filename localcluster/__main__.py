"""`python -m localcluster`: a real Kubernetes of two nodes on a machine without Docker."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from . import cluster, images, links, paths, status, tools
from .errors import LocalClusterError
from .paths import DEFAULT_NAME, ClusterPaths
from .progress import step

NEED_ROOT = ("up", "down", "load", "netpol", "link")


def main() -> int:
    # The builder of images has options of its own, --help among them.
    if sys.argv[1:2] == ["images"]:
        return images.main(sys.argv[2:])
    options = _parser().parse_args()
    try:
        if options.command in NEED_ROOT:
            _check_root(options.command)
        return int(options.run(ClusterPaths(options.name), options) or 0)
    except LocalClusterError as error:
        print(f"localcluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nlocalcluster: interrupted; the same command again goes on from here", file=sys.stderr)
        return 130


def _check_root(command: str) -> None:
    if os.geteuid():
        raise LocalClusterError(f"`{command}` makes network and process namespaces; run it as root")


def _up(where: ClusterPaths, options: argparse.Namespace) -> None:
    cluster.up(where, audit=options.audit)


def _down(where: ClusterPaths, _: argparse.Namespace) -> None:
    cluster.down(where)


def _netpol(where: ClusterPaths, options: argparse.Namespace) -> None:
    with step("netpol") as progress:
        cluster.enforce_policies(where, on=options.choice == "on")
        progress.detail = cluster.policies(where)


def _link(where: ClusterPaths, options: argparse.Namespace) -> None:
    links.link(where, ClusterPaths(options.other))


def _status(where: ClusterPaths, _: argparse.Namespace) -> bool:
    return not status.show(where)


def _env(where: ClusterPaths, _: argparse.Namespace) -> None:
    print(f"export KUBECONFIG={where.kubeconfig}")
    print(f'export PATH="{paths.tools_bin()}:$PATH"')


def _tools(_: ClusterPaths, options: argparse.Namespace) -> None:
    groups = tuple(options.groups) or tools.DEFAULT_GROUPS
    with step("tools") as progress:
        tools.ensure(groups, progress)


def _load(where: ClusterPaths, options: argparse.Namespace) -> None:
    with step("load") as progress:
        folders = [image for image in options.images if Path(image, "Dockerfile").is_file()]
        names = [image for image in options.images if image not in folders and not Path(image).is_file()]
        archives = [Path(image) for image in options.images if image not in [*folders, *names]]
        archives += images.ensure(names, progress).values()
        archives += images.ensure_folders(map(Path, folders), progress).values()
        done = cluster.load(where, archives)
        progress.detail = f"{', '.join(options.images)} ({done} imports, the rest was there)"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m localcluster", description=__doc__)
    parser.add_argument("--name", default=DEFAULT_NAME, help="which cluster; a second one needs a second name")
    commands = parser.add_subparsers(dest="command", required=True)

    up = commands.add_parser("up", help="bring the cluster up, or put right what is missing of it")
    audit = "log every change made through the API, and all the operator asks for (lasts until `down`)"
    up.add_argument("--audit", action=argparse.BooleanOptionalAction, default=None, help=audit)
    up.set_defaults(run=_up)
    commands.add_parser("down", help="end it and remove all it made").set_defaults(run=_down)
    commands.add_parser("status", help="what runs, and whether it is well").set_defaults(run=_status)
    walls = "whether nodes enforce network policies; off stays off, through `up` as well, until `on` or `down`"
    netpol = commands.add_parser("netpol", help=walls)
    netpol.add_argument("choice", choices=("on", "off"))
    netpol.set_defaults(run=_netpol)
    wire = "let pods of this cluster and another reach each other, and each other's API servers; lasts until a `down`"
    link = commands.add_parser("link", help=wire)
    link.add_argument("other", metavar="OTHER", help="the name of the other cluster, which is up as well")
    link.set_defaults(run=_link)
    env = 'shell lines that let kubectl and helm find it: eval "$(python -m localcluster env)"'
    commands.add_parser("env", help=env).set_defaults(run=_env)
    group = commands.add_parser("tools", help="compile the tools (default: those of the cluster, and helm)")
    group.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(tools.GROUPS))
    group.set_defaults(run=_tools)
    commands.add_parser("images", help="build images; `images --help` says which")
    load = commands.add_parser("load", help="put images on the nodes")
    kinds = "an image built here, a folder with a Dockerfile (the image is called after it), or an OCI archive"
    load.add_argument("images", nargs="+", metavar="NAME|FOLDER|ARCHIVE", help=kinds)
    load.set_defaults(run=_load)
    return parser


if __name__ == "__main__":
    sys.exit(main())
