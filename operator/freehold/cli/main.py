"""The `freehold` command."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys

from freehold.api.crd import as_yaml


def main() -> None:
    """Run a subcommand; exits with 2 when what the environment says cannot be used."""
    parser = argparse.ArgumentParser(prog="freehold", description="Every service stands on its own ground.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("operator", help="run the operator, against the cluster it is in or KUBECONFIG")
    run.add_argument("--liveness", metavar="URL", default="http://0.0.0.0:8080/healthz", help="where to answer probes")
    run.add_argument("--metrics-port", metavar="PORT", type=int, help="serve Prometheus metrics there, at /metrics")
    run.set_defaults(action=operator)
    crd = commands.add_parser("crd", help="print the CustomResourceDefinition")
    crd.set_defaults(action=lambda _: print(as_yaml(), end=""))
    arguments = parser.parse_args()
    try:
        arguments.action(arguments)
    except ValueError as error:
        sys.exit(f"freehold: {error}")


def operator(arguments: argparse.Namespace) -> None:
    """Run until told to stop."""
    import kopf

    from freehold.shell import handlers, settings

    level = settings.from_environment().log_level
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    for noisy in ("kopf", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    registry = kopf.get_default_registry()
    assert handlers  # imported for its handlers
    asyncio.run(
        kopf.operator(
            registry=registry,
            clusterwide=True,
            standalone=True,
            liveness_endpoint=arguments.liveness,
            memo=kopf.Memo(metrics_port=arguments.metrics_port),
        )
    )
