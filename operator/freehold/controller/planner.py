"""Planning of services, one at a time and the namespaces in turn: the event loop is blocked for one plan at most."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from freehold.controller.contract_checks import ContractChecks
from freehold.controller.database_rollout import DatabaseRollout
from freehold.controller.loop_monitor import LoopMonitor
from freehold.controller.remote_clusters import RemoteClusters
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Plan, Service
from freehold.core.reconcile import reconcile
from freehold.kube import observation
from freehold.kube.cache import Cache
from freehold.kube.observation import Inputs
from freehold.kube.turns import Turns


class Planner:
    """Observes services and asks all capabilities for their plans. inputs: returns the current inputs."""

    def __init__(
        self,
        cache: Cache,
        remote_clusters: RemoteClusters,
        contract_checks: ContractChecks,
        monitor: LoopMonitor,
        rollout: DatabaseRollout,
        inputs: Callable[[], Inputs],
    ) -> None:
        self._cache = cache
        self._remote_clusters = remote_clusters
        self._contract_checks = contract_checks
        self._monitor = monitor
        self._rollout = rollout
        self._inputs = inputs
        self._turns = Turns(1)

    async def plan(self, service: Service, status: Object) -> tuple[Case, tuple[Plan, ...]] | None:
        """Return the current observation of a service, and the plans of all capabilities.

        None if the counterpart is unknown; the answer of the remote cluster wakes the service. Between two plans
        everything else runs that waits for the event loop.
        """
        async with self._turns.place(service.namespace):
            await asyncio.sleep(0)
            if self._remote_clusters.unknown(service) is not None:
                return None
            with self._monitor.working_on(service.key):
                observed = observation.observe(self._cache, service, self._inputs(), status, now())
                note = self._remote_clusters.note(service)
                checked = self._contract_checks.known(service.key.namespace)
                turn = self._rollout.has_turn(service.key)
                case = Case(service, replace(observed, remote_note=note, checked=checked, database_turn=turn))
                plans = reconcile(case)
                self._rollout.record(service.key, plans)
                return case, plans


def now() -> datetime:
    """Return the current time in seconds, the precision of the API."""
    return datetime.now(UTC).replace(microsecond=0)
