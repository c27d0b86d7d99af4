"""Both sides of a move of a database to another namespace, simulated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from freehold.core import engines
from freehold.core import reconcile as core
from freehold.core.database import topology
from freehold.core.model.case import Case
from freehold.core.model.resources import Key, Object, Observed, Peer, Ref, Service
from freehold.core.objects import meta

from tests.unit.core.worlds import DATABASE, observed, placed, reconcile, service, settled

HERE, THERE = Key("shop", "users"), Key("people", "users")
SERVER, CLAIM = Ref("StatefulSet", "users-database"), Ref("PersistentVolumeClaim", "users-database-data")
PROXY, ENDPOINT, DATABASE_SERVICE = (
    Ref("StatefulSet", "users-database-proxy"),
    Ref("Service", "users"),
    Ref("Service", "users-database"),
)
SECRET = Ref("Secret", "users-database-server")
POLICY = Ref("NetworkPolicy", "users-database")


def staying(**database: Any) -> Service:
    """Return users in shop without a move."""
    return service(database={**DATABASE, **database})


def source(**database: Any) -> Service:
    """Return users in shop, moving to people."""
    return service(database={**DATABASE, **database}, placement={"namespace": "people"})


def destination(**database: Any) -> Service:
    """Return users in people, replacing users of shop."""
    return service(namespace="people", database={**DATABASE, **database}, placement={"from": "shop"})


@dataclass
class Sides:
    """Both sides of a move and their observations. reasons: the reasons of Relocated on each side, in order."""

    services: dict[Key, Service]
    seen: dict[Key, Observed]
    reasons: dict[Key, list[str]] = field(default_factory=lambda: {HERE: [], THERE: []})

    def reconcile(self, key: Key) -> bool:
        """Reconcile a side. Return whether anything changed."""
        subject, before = self.services[key], self._observed(key)
        plans = reconcile(subject, before)
        status = core.report(Case(subject, before), plans).status
        kinds = [c["type"] for c in status["conditions"]]
        assert len(kinds) == len(set(kinds)), f"{key} has two conditions of a type: {kinds}"
        after = replace(placed(before, plans), status=status)
        after = replace(after, pods=(*after.pods, *_started(subject, after)))
        self.seen[key] = after
        reason = relocated(status).get("reason", "")
        self.reasons[key] += [reason] if reason not in self.reasons[key][-1:] else []
        return after != before

    def settle(self, limit: int = 20) -> None:
        """Reconcile both sides until nothing changes. Raises AssertionError after `limit` rounds."""
        for _ in range(limit):
            changed = [self.reconcile(key) for key in self.services]
            if not any(changed):
                return
        raise AssertionError(f"the sides still change: {self.reasons}")

    def edit(self, service: Service) -> None:
        """Apply a Microservice."""
        self.services[service.key] = service

    def owners(self) -> set[str]:
        """Return the namespaces of the primary, as each side observes."""
        cases = ((key, Case(service, self._observed(key))) for key, service in self.services.items())
        return {topology.primary(case).counterpart or key.namespace for key, case in cases}

    def objects(self, key: Key) -> dict[Ref, Object]:
        """Return the objects of a side."""
        return dict(self.seen[key].objects)

    def _observed(self, key: Key) -> Observed:
        other = THERE if key == HERE else HERE
        aliases = {HERE: THERE} if self._agreed() else {}
        counterpart = self.objects(other) if aliases else {}
        known = {other: self._peer(other)} if other in self.services else {}
        return replace(self.seen[key], peers=known, aliases=aliases, counterpart=counterpart)

    def _agreed(self) -> bool:
        if not {HERE, THERE} <= self.services.keys():
            return False
        status = self.seen[HERE].status
        reported = status.get("endpointTarget") or status.get("counterpart")
        target = self.services[HERE].spec.placement.namespace or reported
        return target == "people" and self.services[THERE].spec.placement.from_ == "shop"

    def _peer(self, key: Key) -> Peer:
        service, status = self.services[key], self.seen[key].status
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))
        database = engines.describe(service.spec.database)
        target = service.spec.placement.namespace or ""
        replaces = status.get("replaces", "")
        peer = Peer(
            key, service.spec.grpc, frozenset(), ready, replaces=replaces, destination=target, database=database
        )
        moved = relocated(status) if "conditions" in status else {}
        stopped = moved["message"] if moved.get("status") == "False" else ""
        peer = replace(peer, move=service.annotations.get(meta.MOVE, ""), stopped=stopped)
        age, backup = service.spec.placement.max_backup_age or "", service.annotations.get(meta.LAST_BACKUP_AT, "")
        return replace(peer, database=database, max_backup_age=age, last_backup_at=backup, uid=service.uid)


def _started(subject: Service, seen: Observed) -> Iterator[Object]:
    """Yield a pod of the service if pods are wanted and none exists."""
    wanted = seen.objects.get(Ref("Deployment", subject.name), {}).get("spec", {}).get("replicas")
    labels = meta.pod_labels(subject, meta.SERVICE)
    pod: Object = {"metadata": {"name": "users-x", "labels": labels}, "status": {}}
    if wanted and pod not in seen.pods:
        yield pod


def relocated(status: Any) -> Object:
    return next((c for c in status["conditions"] if c["type"] == "Relocated"), {})


def condition(two: Sides, key: Key, kind: str) -> Object:
    return next(c for c in two.seen[key].status["conditions"] if c["type"] == kind)


def apart(own: Service | None = None) -> Sides:
    """Return users in shop, at rest, and an empty namespace people."""
    return Sides({HERE: own or staying()}, {HERE: settled(own or staying(), observed()), THERE: observed()})


def moved(two: Sides | None = None) -> Sides:
    """Return both sides after the move."""
    two = two or apart()
    two.edit(destination())
    two.edit(source())
    two.settle()
    return two


def switchovers(two: Sides) -> list[Ref]:
    """Return the switchover Jobs at the destination."""
    return [ref for ref in two.objects(THERE) if ref.kind == "Job" and "switchover" in ref.name]


def without_database(service: Service) -> Service:
    """Return the service without spec.database."""
    return replace(service, spec=service.spec.model_copy(update={"database": None}))


def with_own_dataset(objects: dict[Ref, Object]) -> dict[Ref, Object]:
    """Return the objects with a claim of another dataset."""
    claim = objects[CLAIM]
    return {**objects, CLAIM: {**claim, "metadata": {**claim["metadata"], "annotations": {meta.DATASET_ID: "another"}}}}
