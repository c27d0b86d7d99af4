"""The volume of a database: the size in the status, and the growth of the volume."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Observed, Ref, Service, StorageClass
from freehold.core.reconcile import report

from tests.unit.core.worlds import DATABASE, objects_of, observed, reconcile, service, settled

CLAIM = Ref("PersistentVolumeClaim", "users-database-data")
NODE = "the node is to expand the file system (FileSystemResizePending)"
SERVER = Ref("StatefulSet", "users-database")


def users(size: str = "1Gi") -> Service:
    return service(database={**DATABASE, "storage": {"size": size}})


def with_claim(seen: Observed, request: str, **status: Any) -> Observed:
    """Return the cluster with another request and status of the claim."""
    live = seen.objects[CLAIM]
    spec = {**live["spec"], "resources": {"requests": {"storage": request}}}
    return replace(seen, objects={**seen.objects, CLAIM: {**live, "spec": spec, "status": status}})


def bound(request: str, capacity: str, *conditions: str, state: str = "True") -> Observed:
    """Return the cluster at rest with a bound claim of this request and capacity."""
    listed = [{"type": kind, "status": state} for kind in conditions]
    seen = settled(users(), observed())
    return with_claim(seen, request, phase="Bound", capacity={"storage": capacity}, conditions=listed)


def reported(subject: Service, seen: Observed) -> tuple[str, Object]:
    """Return `status.database` and condition DatabaseReady."""
    status = report(Case(subject, seen), reconcile(subject, seen)).status
    return status["database"], next(c for c in status["conditions"] if c["type"] == "DatabaseReady")


@pytest.mark.parametrize(
    ("seen", "size"),
    [
        (observed(), "2Gi"),
        (with_claim(settled(users(), observed()), "1Gi", phase="Pending"), "2Gi"),
        (bound("2Gi", "1Gi"), "1Gi"),
        (bound("2Gi", "3Gi"), "3Gi"),
        (with_claim(settled(users(), observed()), "1Gi", phase="Bound"), "1Gi"),
    ],
    ids=["no claim", "unbound", "growing", "larger than wanted", "no capacity reported"],
)
def test_status_database_size(seen: Observed, size: str) -> None:
    """The status shows the size of the volume, and the wanted size before a volume is bound."""
    assert reported(users("2Gi"), seen)[0] == f"postgresql 15, {size}"


@pytest.mark.parametrize(
    ("conditions", "cause"),
    [
        ([], "the storage provider has not started yet; if this lasts, kubectl describe persistentvolumeclaim"),
        (["Resizing"], "the storage provider expands the volume (Resizing); if this lasts, kubectl describe"),
        (["FileSystemResizePending"], f"{NODE}; if this lasts, kubectl rollout restart statefulset users-database -n"),
        (["Resizing", "FileSystemResizePending"], NODE),
    ],
    ids=["requested", "provider", "node", "both"],
)
@pytest.mark.parametrize("requested", ["1Gi", "2Gi"], ids=["before the write", "after the write"])
def test_volume_growing_condition(requested: str, conditions: list[str], cause: str) -> None:
    """While a volume grows, DatabaseReady stays True and names the sizes, the cause and an action."""
    seen = bound(requested, "1Gi", *conditions)
    _, condition = reported(users("2Gi"), seen)
    assert (condition["status"], condition["reason"]) == ("True", "VolumeGrowing")
    assert condition["message"].startswith("PostgreSQL 15 serves at users-database.shop.svc:5432; ")
    assert f"; the volume grows from 1Gi to 2Gi; {cause}" in condition["message"]
    assert objects_of(reconcile(users("2Gi"), seen))[CLAIM]["spec"]["resources"]["requests"]["storage"] == "2Gi"


def test_volume_growing_past_condition() -> None:
    """A condition of the claim with status False does not count."""
    _, condition = reported(users("2Gi"), bound("2Gi", "1Gi", "FileSystemResizePending", state="False"))
    assert "the storage provider has not started yet" in condition["message"]


def test_volume_growing_keeps_ready() -> None:
    """Ready stays True while a volume grows."""
    subject, seen = users("2Gi"), bound("2Gi", "1Gi", "Resizing")
    status = report(Case(subject, seen), reconcile(subject, seen)).status
    assert (status["conditions"][0]["type"], status["conditions"][0]["status"]) == ("Ready", "True")


@pytest.mark.parametrize(("wanted", "capacity"), [("2Gi", "2Gi"), ("2Gi", "2048Mi"), ("2Gi", "3Gi")])
def test_volume_grown(wanted: str, capacity: str) -> None:
    """The growth ends once the volume has the wanted size or more."""
    _, condition = reported(users(wanted), bound(wanted, capacity, "FileSystemResizePending"))
    assert condition["reason"] == "Ready" and "grows" not in condition["message"]


def test_volume_growing_while_server_starts() -> None:
    """A server that starts on a growing volume is not ready, and the message has both."""
    seen = bound("2Gi", "1Gi", "FileSystemResizePending")
    starting = {**seen.objects[SERVER], "status": {}}
    _, condition = reported(users("2Gi"), replace(seen, objects={**seen.objects, SERVER: starting}))
    assert (condition["status"], condition["reason"]) == ("Unknown", "Starting")
    assert "accept connections; the volume grows from 1Gi to 2Gi" in condition["message"]


@pytest.mark.parametrize(
    ("wanted", "cause"),
    [
        ("2Gi", "the volume has 1Gi and cannot grow to 2Gi; storage class standard does not allow expansion; set"),
        ("512Mi", "spec.database.storage.size is 512Mi; a volume cannot shrink; set the size to 1Gi"),
    ],
    ids=["larger", "smaller"],
)
def test_volume_cannot_resize(wanted: str, cause: str) -> None:
    """A size that the volume cannot take leaves the claim unchanged, and the status shows the present size."""
    rigid = replace(bound("1Gi", "1Gi"), storage_classes=(StorageClass("standard", default=True),))
    summary, condition = reported(users(wanted), rigid)
    assert summary == "postgresql 15, 1Gi"
    assert (condition["status"], condition["reason"]) == ("False", "VolumeCannotGrow")
    assert cause in condition["message"]
    claim = objects_of(reconcile(users(wanted), rigid))[CLAIM]
    assert claim["spec"]["resources"]["requests"]["storage"] == "1Gi"
