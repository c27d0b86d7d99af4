"""The kopf handlers, all of them: kopf hosts the process, its start, its end and its liveness.

Resources are not handled one event at a time: the operator's own watches wake the one `reconcile`, which looks at
everything that is known (kopf's documentation, 'Reconciliation', recommends the same for level-triggered operators).
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
    """kopf itself watches nothing, writes nothing to resources, and needs no rights of its own."""
    settings.scanning.disabled = True
    settings.posting.enabled = False


@kopf.on.startup()
async def start(memo: Any, **_: Any) -> None:
    """Returns once every watch has its first list."""
    memo.operator = Operator(Api(await connect()), from_environment())
    await memo.operator.start()
    if memo.get("metrics_port"):
        metrics.serve(memo.operator.standing, memo.metrics_port)


@kopf.on.cleanup()
async def stop(memo: Any, **_: Any) -> None:
    """Stop writing; what is half done is taken up by the next start."""
    if "operator" in memo:
        await memo.operator.stop()


@kopf.on.probe(id="watches")
def watches(memo: Any, **_: Any) -> str:
    """Liveness: fails when the server was not heard of for too long, so that the kubelet restarts the operator."""
    silent = memo.operator.silent()
    if silent:
        raise RuntimeError(f"nothing was heard of {', '.join(silent)}")
    return "heard"
