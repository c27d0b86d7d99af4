"""The kopf handlers: kopf hosts the process, with start and stop.

Events of resources are not handled by kopf. The operator's own watches wake `reconcile`, which considers the whole
state (kopf's documentation, 'Reconciliation', recommends the same for level-triggered operators).
"""

from __future__ import annotations

import resource
from typing import Any

import kopf

from freehold.controller import leadership, liveness, metrics
from freehold.controller.operator import Operator
from freehold.controller.settings import from_environment
from freehold.kube.client import Api, connect


@kopf.on.startup()
async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    """Disable kopf's watches and Events, so that kopf needs no rights."""
    settings.scanning.disabled = True
    settings.posting.enabled = False


@kopf.on.startup()
async def start(memo: Any, **_: Any) -> None:
    """Start the operator. Returns after the first list of every watch."""
    _allow_connections()
    settings = from_environment()
    # The lease has a connection of its own: a renewal waits for no other request.
    lease = leadership.lease(Api(await connect()), settings) if settings.lease else None
    api = Api(await connect(), lease.seconds_left) if lease else Api(await connect())
    memo.operator = Operator(api, settings, lease)
    await memo.operator.start()
    memo.liveness = await liveness.serve(memo.liveness_url, memo.operator.silent_kinds)
    if memo.get("metrics_port"):
        metrics.serve(memo.operator.totals, memo.metrics_port)


@kopf.on.cleanup()
async def stop(memo: Any, **_: Any) -> None:
    """Stop the operator. The next start continues unfinished work."""
    if "operator" in memo:
        await memo.operator.stop()
    if "liveness" in memo:
        await memo.liveness.cleanup()


def _allow_connections() -> None:
    """Raise the limit of open files to the maximum: each watch holds a connection, and each namespace with services has
    a watch. Container runtimes leave the soft limit at 1024 (systemd.io, 'File Descriptor Limits')."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
