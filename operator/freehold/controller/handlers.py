"""The kopf handlers: kopf hosts the process, with start, stop and liveness.

Events of resources are not handled by kopf. The operator's own watches wake `reconcile`, which considers the whole
state (kopf's documentation, 'Reconciliation', recommends the same for level-triggered operators).
"""

from __future__ import annotations

from typing import Any

import kopf

from freehold.controller import metrics
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
    memo.operator = Operator(Api(await connect()), from_environment())
    await memo.operator.start()
    if memo.get("metrics_port"):
        metrics.serve(memo.operator.totals, memo.metrics_port)


@kopf.on.cleanup()
async def stop(memo: Any, **_: Any) -> None:
    """Stop the operator. The next start continues unfinished work."""
    if "operator" in memo:
        await memo.operator.stop()


@kopf.on.probe(id="watches")
def watches(memo: Any, **_: Any) -> str:
    """Check liveness: fail if the API server has been silent for too long; the kubelet then restarts the operator."""
    silent = memo.operator.silent_kinds()
    if silent:
        raise RuntimeError(f"the watches of {', '.join(silent)} have received no answer for too long")
    return "alive"
