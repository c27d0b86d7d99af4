"""`python -m localcluster`: a Kubernetes cluster of two nodes on a machine without Docker."""

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
    # The `images` command has its own parser, including --help.
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
        print("\nlocalcluster: interrupted; run the same command again to continue", file=sys.stderr)
        return 130


def _check_root(command: str) -> None:
    if os.geteuid():
        raise LocalClusterError(f"`{command}` needs root to create network and process namespaces; run it as root")


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
        progress.detail = f"{', '.join(options.images)} ({done} imports, the others were present)"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m localcluster", description=__doc__)
    parser.add_argument("--name", default=DEFAULT_NAME, help="the name of the cluster; each cluster has its own")
    commands = parser.add_subparsers(dest="command", required=True)

    up = commands.add_parser("up", help="create the cluster, or repair the parts that are missing or stopped")
    audit = "log every write through the API and every request of the operator (until `down`)"
    up.add_argument("--audit", action=argparse.BooleanOptionalAction, default=None, help=audit)
    up.set_defaults(run=_up)
    commands.add_parser("down", help="stop the cluster and remove everything `up` created").set_defaults(run=_down)
    commands.add_parser("status", help="list the parts of the cluster and their health").set_defaults(run=_status)
    enforcement = "turn network policy enforcement on or off; `off` persists across `up`, until `on` or `down`"
    netpol = commands.add_parser("netpol", help=enforcement)
    netpol.add_argument("choice", choices=("on", "off"))
    netpol.set_defaults(run=_netpol)
    linking = "connect the pods and API servers of this cluster and another, until `down` of either"
    link = commands.add_parser("link", help=linking)
    link.add_argument("other", metavar="OTHER", help="the name of the other cluster; both must be running")
    link.set_defaults(run=_link)
    env = 'print shell exports for kubectl and helm: eval "$(python -m localcluster env)"'
    commands.add_parser("env", help=env).set_defaults(run=_env)
    group = commands.add_parser("tools", help="compile the tools (default: those the cluster needs, and helm)")
    group.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(tools.GROUPS))
    group.set_defaults(run=_tools)
    commands.add_parser("images", help="build images; see `images --help`")
    load = commands.add_parser("load", help="import images on the nodes")
    kinds = "a built-in image, a folder with a Dockerfile (its name is the image's name), or an OCI archive"
    load.add_argument("images", nargs="+", metavar="NAME|FOLDER|ARCHIVE", help=kinds)
    load.set_defaults(run=_load)
    return parser


if __name__ == "__main__":
    sys.exit(main())
