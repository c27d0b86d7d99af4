"""`python -m localcluster.netpol`: the agent of one node; runs in the node's network namespace."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from pathlib import Path

from .agent import Agent, NftError, Settings
from .kubeconfig import KubeconfigError, api_server

RESULTS = Path("/var/lib/cni/results")


def main() -> int:
    """Run until SIGTERM or SIGINT; the table stays in force afterwards."""
    options = _parser().parse_args()
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s")
    folders = tuple(options.sandboxes or [RESULTS])
    files = (options.ready_file, options.off_file)
    settings = Settings(options.node, options.pod_cidr, options.cluster_cidr, folders, *files)
    try:
        asyncio.run(_run(settings, options.kubeconfig))
    except (KubeconfigError, NftError, OSError) as error:
        print(f"netpol agent of {options.node}: {error}", file=sys.stderr)
        return 1
    return 0


async def _run(settings: Settings, kubeconfig: Path) -> None:
    task = asyncio.current_task()
    assert task is not None
    for stop in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(stop, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await Agent(settings).run(api_server(kubeconfig))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("localcluster.netpol", description="Enforces NetworkPolicies on one node.")
    parser.add_argument("--node", required=True, help="the node's name at the API server")
    parser.add_argument("--pod-cidr", required=True, help="the addresses of this node's pods")
    parser.add_argument("--cluster-cidr", help="the addresses of all nodes' pods; default: --pod-cidr")
    parser.add_argument(
        "--kubeconfig", required=True, type=Path, help="a user with the right to watch pods, namespaces and policies"
    )
    parser.add_argument("--ready-file", required=True, type=Path, help="created once the first table is in force")
    parser.add_argument("--off-file", required=True, type=Path, help="enforce nothing while this file exists")
    results = f"a folder of libcni results, of this or another node of the machine; repeatable; default: {RESULTS}"
    parser.add_argument("--sandboxes", type=Path, action="append", help=results)
    level = "debug, info, warning or error; default: %(default)s"
    parser.add_argument("--log-level", default="info", help=level)
    return parser


if __name__ == "__main__":
    sys.exit(main())
