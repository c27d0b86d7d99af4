"""Command `operator`: run the operator until the process is stopped."""

from __future__ import annotations

import asyncio
import logging

import kopf

from freehold.controller import handlers, logs, settings
from freehold.views.errors import Failure

QUIET_LOGGERS = ("kopf", "aiohttp.access")


def run(liveness: str, metrics_port: int | None) -> None:
    """Run kopf with the handlers. liveness: URL for liveness probes. Raises Failure for an invalid environment."""
    try:
        level = settings.from_environment().log_level
    except ValueError as error:
        raise Failure(str(error)) from error
    logs.configure(level)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    registry = kopf.get_default_registry()
    assert handlers  # imported to register the handlers
    asyncio.run(
        kopf.operator(
            registry=registry,
            clusterwide=True,
            standalone=True,
            memo=kopf.Memo(liveness_url=liveness, metrics_port=metrics_port),
        )
    )
