"""Conditions, Events and reports that the controller adds to those of the core."""

from __future__ import annotations

import re
from datetime import datetime

from freehold.controller.database_rollout import Progress
from freehold.core.model import messages
from freehold.core.model.conditions import Condition, Reason, State, Type
from freehold.core.model.events import Event
from freehold.core.model.findings import Findings
from freehold.core.model.resources import Key, Object
from freehold.core.reconcile import Report, report_invalid
from freehold.core.relocation import standby
from freehold.core.verification.plan import ENFORCE, NAMED
from freehold.kube import apply
from freehold.kube.client import Api
from freehold.kube.errors import ClusterError, ContestedError, NameTakenError
from freehold.kube.kinds import MICROSERVICE
from freehold.monitors.dns import DnsState

IMMUTABLE = re.compile(
    r'(\w+)\S* "([^"]+)" is invalid: .*(immutable|may not change once set|for fields other than)', re.DOTALL
)
"""The API server's words for a field that is immutable: in Jobs and selectors, in Services, in StatefulSets."""


def policy_event(findings: Findings) -> Event:
    """Return the Event on whether the cluster enforces network policies, for the operator's pod."""
    if findings.unenforced:
        return Event(
            "Warning", Reason.POLICIES_NOT_ENFORCED, f"{messages.listed(findings.unenforced, NAMED, '; ')}; {ENFORCE}"
        )
    canaries = f"{findings.canaries} of {findings.canaries} canaries"
    return Event(
        "Normal", Reason.POLICIES_ENFORCED, f"network policies are enforced: the closed port is closed at {canaries}"
    )


def dns_event(state: DnsState) -> Event:
    """Return the Event on whether DNS is open to pods, for the operator's pod."""
    if state.warning:
        return Event("Warning", Reason.DNS_CLOSED, state.warning)
    return Event("Normal", Reason.DNS_OPEN, f"DNS is open to pods: {state.dns}")


def rollout_event(progress: Progress) -> Event:
    """Return the Event on a change of the platform that one database stops, for the operator's pod."""
    if not progress.stopped:
        return Event("Normal", Reason.DATABASE_CHANGE_CONTINUES, "the change of the databases goes on")
    state = f"{messages.listed(sorted(map(str, progress.stopped)), NAMED)} is not Ready after a change of the platform"
    action = "repair it or change the image again; to go past it, raise the chart value postgresql.maxUnavailable"
    return Event("Warning", Reason.DATABASE_CHANGE_STOPPED, f"{state}; other databases are not changed; {action}")


async def report_unusable(api: Api, key: Key, cause: str, now: datetime) -> None:
    """Report a Microservice that the cache does not hold; the running objects stay unchanged. Raises ClusterError."""
    live = await api.get(MICROSERVICE, *key)
    if live is None or "deletionTimestamp" in live["metadata"]:
        return
    new = report_invalid(live["metadata"]["generation"], live.get("status", {}), now, cause)
    if new.status != live.get("status", {}):
        await write(api, live, new)


async def write(api: Api, live: Object, new: Report) -> Object:
    """Write the status of a Microservice, and the Events. Returns the resource as stored. Raises ClusterError."""
    stored = await apply.write_status(api, live, new.status)
    for event in new.events:
        await apply.write_event(api, apply.reference(live), event)
    return stored


def refusal(error: ClusterError) -> Condition:
    """Return the condition for a refused object: Relocated for an object of a move, else Ready."""
    own = {NameTakenError: Reason.NAME_TAKEN, ContestedError: Reason.CONTESTED}
    reason = own.get(type(error), Reason.CLUSTER_REFUSED)
    # The API server repeats the whole refused object before the cause.
    cause = re.sub(r"Invalid value: [{\[].*[}\]]: ", "", error.message, flags=re.DOTALL)
    if found := IMMUTABLE.match(error.message):
        cause = f"{cause}; {_way_out(*found.group(1, 2))}"
    if error.capability == standby.CAPABILITY:
        message = f"{cause}; the service stays at the current location"
        return Condition(Type.RELOCATED, State.FALSE, Reason.MOVE_BLOCKED, message)
    return Condition(Type.READY, State.FALSE, reason, cause)


def _way_out(kind: str, name: str) -> str:
    """Return the action for an object with an immutable field."""
    if kind == "PersistentVolumeClaim":
        return "undo the change, or move the database to a volume as declared"
    orphan = ", with --cascade=orphan so that the pods go on" if kind in ("StatefulSet", "Deployment") else ""
    return f"delete {kind} {name}{orphan}; Freehold makes it again as declared"
