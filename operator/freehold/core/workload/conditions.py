"""Condition EndpointReady: the state of the service's pods, or of the redirect target."""

from __future__ import annotations

import re

from freehold.core import engines
from freehold.core.database import readiness
from freehold.core.handover import routing
from freehold.core.migrations import applied
from freehold.core.model.case import Case
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.resources import Object, Ref, Service
from freehold.core.model.troubles import Trouble, worst
from freehold.core.objects import deployments, meta, names, pods, startup, troubles
from freehold.core.peers import consent
from freehold.core.workload.deployment import binding


def may_roll_out(case: Case) -> bool:
    """Return whether certificate, schema and binding exist. A first rollout also needs a ready database."""
    identity = Ref("Secret", names.identity(case.name))
    if consent.needs_identity(case) and identity not in case.observed.objects:
        return False
    if case.spec.database is None:
        return True
    if not applied.migrated(case) or not binding(case):
        return False
    exists = Ref("Deployment", case.name) in case.observed.objects
    return exists or readiness.database_ready(case)


def _redirected(case: Case) -> Condition:
    """The condition of a service whose endpoint redirects to another: True if the target is ready."""
    target = case.observed.aliases[case.key]
    peer = case.observed.peers.get(target)
    ready = bool(peer and peer.ready)
    message = f"the endpoint redirects to {target}" + ("" if ready else ", which is not ready")
    return Condition(Type.ENDPOINT_READY, State.TRUE if ready else State.UNKNOWN, Reason.REDIRECTED, message)


def condition(case: Case) -> Condition:
    """Return condition EndpointReady."""
    if not routing.runs_here(case):
        return _redirected(case)
    return Condition(Type.ENDPOINT_READY, *_state(case))


def _state(case: Case) -> tuple[State, Reason, str]:
    live = case.observed.objects.get(Ref("Deployment", case.name))
    if live is None and may_roll_out(case):
        return State.UNKNOWN, Reason.ROLLING_OUT, "the first pods are starting"
    if live is None:
        return (
            State.UNKNOWN,
            Reason.WAITING_FOR_MIGRATIONS,
            "pods start once database, schema and certificate exist",
        )
    running = pods.component_pods(case.observed, meta.SERVICE)
    if trouble := _trouble(case, live, running):
        return State.FALSE, trouble.reason, trouble.message + _exhausted(case, trouble) + _others(running)
    if not may_roll_out(case):
        old, new = meta.image_name(deployments.image_of(live)), meta.image_name(case.spec.image)
        message = f"{old} goes on serving until the migrations of {new} are applied"
        return State.UNKNOWN, Reason.WAITING_FOR_MIGRATIONS, message
    return _progress(case.service, live)


def _trouble(case: Case, live: Object, running: list[Object]) -> Trouble | None:
    """Return the worst trouble of the pods and of the Deployment."""
    late = startup.trouble(running, case.observed)
    unhealthy = troubles.failing_health_check(running) if _rolled_out(live) else None
    stalled = _stalled(case.namespace, live, running)
    return worst((late, troubles.of_pods(running, case.observed), _refusal(live), stalled, unhealthy))


def _exhausted(case: Case, trouble: Trouble) -> str:
    """Return which limit to change if the database refused a connection beyond the limit; otherwise empty."""
    database = case.spec.database
    if database is None or not re.search(engines.of(database).exhausted, trouble.message):
        return ""
    return f"; use fewer connections, or raise spec.database.limits.connections ({database.limits.connections})"


def _others(running: list[Object]) -> str:
    """Return how many pods serve beside those in trouble."""
    count = sum(map(pods.is_ready, running))
    return f"; {count} other pod{'s serve' if count > 1 else ' serves'}" if count else ""


def _progress(service: Service, live: Object) -> tuple[State, Reason, str]:
    status, wanted = live.get("status", {}), service.spec.replicas
    available, existing = status.get("availableReplicas", 0), status.get("replicas", 0)
    is_current = status.get("observedGeneration") == live["metadata"].get("generation")
    is_newest = is_current and live["spec"].get("replicas") == wanted and status.get("updatedReplicas", 0) == existing
    counts = f"{available} of {wanted} pods serve"
    if is_newest and existing == wanted == available:
        if wanted == 0:
            return State.TRUE, Reason.SCALED_TO_ZERO, "scaled to zero; set spec.replicas to serve again"
        return State.TRUE, Reason.AVAILABLE, counts
    if is_newest or not existing:
        missing = wanted - available
        rest = f"{missing} {'starts' if missing == 1 else 'start'}" if missing > 0 else "the others end"
        return State.UNKNOWN, Reason.ROLLING_OUT, f"{counts}; {rest}"
    return State.UNKNOWN, Reason.ROLLING_OUT, f"{counts}; a rollout is under way"


def _progressing(live: Object) -> str:
    """Return the reason of the Deployment's condition Progressing; empty without one for the newest template."""
    if live.get("status", {}).get("observedGeneration") != live["metadata"].get("generation"):
        return ""
    conditions = live["status"].get("conditions", [])
    return next((str(c.get("reason")) for c in conditions if c["type"] == "Progressing"), "")


def _rolled_out(live: Object) -> bool:
    """Return whether the newest template was fully available before: pods that do not serve now have stopped."""
    return _progressing(live) == "NewReplicaSetAvailable"


def _stalled(namespace: str, live: Object, running: list[Object]) -> Trouble | None:
    """Return that a rollout makes no progress, with the first pod that is not ready, or None."""
    if _progressing(live) != "ProgressDeadlineExceeded":
        return None
    state = f"no further pod has become ready for {live['spec'].get('progressDeadlineSeconds', 600)} s"
    name = next((pod["metadata"]["name"] for pod in running if not pods.is_ready(pod)), "")
    works = any(pods.running(pod) for pod in running if pod["metadata"]["name"] == name)
    cause = f"{name} runs, and its health check has not succeeded" if works else f"{name} has not started"
    look = f"kubectl {'logs' if works else 'describe pod'} {name} -n {namespace}"
    known = f"{cause}; {look}" if name else f"kubectl describe deployment {live['metadata']['name']} -n {namespace}"
    return Trouble(Reason.PROGRESS_DEADLINE_EXCEEDED, f"{state}; {known}")


def _refusal(live: Object) -> Trouble | None:
    """Return the refusal of pods by an admission rule or a quota, if any."""
    for condition in live.get("status", {}).get("conditions", []):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return troubles.refused(condition.get("message", ""))
    return None
