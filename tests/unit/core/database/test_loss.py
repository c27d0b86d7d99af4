"""Loss of the data: a volume that held data is never replaced by an empty one before somebody accepts the loss."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from freehold.core.database.loss import EMPTY
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Observed, Ref, Service
from freehold.core.objects import meta
from freehold.core.reconcile import report

from tests.unit.core.relocation.zone_moves import CLAIM, FIRST, SECOND, SECOND_CLAIM, A, B, at_rest, steps, users
from tests.unit.core.sides import HERE, THERE, condition, moved
from tests.unit.core.worlds import NOW, objects_of, placed, reconcile

SINCE = "2026-01-02T03:04:05Z"
CONFIGURATION = Ref("ConfigMap", "users-database-configuration")
SECRETS = tuple(Ref("Secret", f"users-database{part}") for part in ("", "-owner", "-server"))
FRESH = {role: f"second-{role}" for role in ("app", "owner", "replicator", "postgres")}


def accepting(since: str = SINCE) -> Service:
    return users(A, {meta.ACCEPT_DATA_LOSS: since})


def lived() -> Observed:
    """Return the cluster at rest, with its status written."""
    return steps(users(A), at_rest())[1]


def without(seen: Observed, *refs: Ref) -> Observed:
    return replace(seen, objects={ref: live for ref, live in seen.objects.items() if ref not in refs})


def changed(seen: Observed, ref: Ref, **fields: Any) -> Observed:
    """Return the cluster with other top-level fields of an object; metadata is merged."""
    live = seen.objects[ref]
    metadata = {**live["metadata"], **fields.pop("metadata", {})}
    return replace(seen, objects={**seen.objects, ref: {**live, "metadata": metadata, **fields}})


def stopped(seen: Observed) -> Observed:
    """Return the cluster with the first server not ready."""
    return changed(seen, FIRST, status={**seen.objects[FIRST]["status"], "readyReplicas": 0})


def pruned() -> Observed:
    """Return the cluster after a prune of the claim and the Secrets, and the stop of the server."""
    return replace(stopped(without(lived(), CLAIM, *SECRETS)), passwords=FRESH)


def looked(subject: Service, seen: Observed) -> tuple[Object, dict[Ref, Object], Observed]:
    """Reconcile once. Return DatabaseReady, the planned objects, and the cluster with the status written."""
    plans = reconcile(subject, seen)
    status = report(Case(subject, seen), plans).status
    said = next(c for c in status["conditions"] if c["type"] == "DatabaseReady")
    return said, objects_of(plans), replace(placed(seen, plans, running=False), status=status)


def removed(subject: Service, seen: Observed) -> set[Ref]:
    """Return the servers and claims that a reconcile removes."""
    after = placed(seen, reconcile(subject, seen), running=False)
    return {ref for ref in seen.objects.keys() - after.objects.keys() if ref.kind != "Job"}


def recorded(seen: Observed) -> Object:
    return dict(seen.status.get("data", {}))


def guarded(objects: dict[Ref, Object]) -> str | None:
    """Return the pod that does not start on an empty volume."""
    pod: str | None = objects[CONFIGURATION]["data"].get("recorded")
    return pod


def test_record_of_ready_database() -> None:
    """The claim is recorded once the server is ready, and the time stays."""
    seen = lived()
    uid = seen.objects[CLAIM]["metadata"]["uid"]
    assert recorded(seen) == {"claim": CLAIM.name, "uid": uid, "epoch": 1, "since": SINCE}
    _, objects, after = looked(users(A), stopped(replace(seen, now=NOW + timedelta(hours=1))))
    assert recorded(after) == recorded(seen) and guarded(objects) == "users-database-0"


def test_record_not_before_ready() -> None:
    """A server that was never ready has no data, and its missing claim is created."""
    seen = stopped(replace(lived(), status={}))
    _, objects, after = looked(users(A), seen)
    assert recorded(after) == {} and guarded(objects) is None
    assert CLAIM in looked(users(A), without(seen, CLAIM))[1]


def test_claim_gone() -> None:
    """No empty claim takes the place of a pruned one, the condition says how to go on, and nothing is removed."""
    seen = pruned()
    for _ in range(3):
        said, objects, after = looked(users(A), seen)
        assert (said["status"], said["reason"]) == ("False", "DataLost")
        assert f"volume claim {CLAIM.name}, which has held the data since {SINCE}, is gone" in said["message"]
        assert said["message"].endswith(f"users -n shop --overwrite {meta.ACCEPT_DATA_LOSS}={SINCE}")
        assert CLAIM not in objects and FIRST not in objects
        assert removed(users(A), seen) == set()
        seen = stopped(after)
    assert next(c for c in seen.status["conditions"] if c["type"] == "Ready")["status"] == "False"


def test_loss_accepted() -> None:
    """After acceptance an empty database is created, with a record of its own that the annotation does not fit."""
    later = NOW + timedelta(hours=1)
    said, objects, after = looked(accepting(), replace(pruned(), now=later))
    assert CLAIM in objects and said["status"] == "Unknown"
    assert recorded(after) == {} and guarded(objects) is None
    again = changed(replace(after, status=pruned().status), CLAIM, metadata={"uid": "another"})
    _, objects, _ = looked(accepting(), again)  # the old status, as within one reconciliation
    assert guarded(objects) is None
    _, new = steps(accepting(), after)
    assert recorded(new)["since"] == "2026-01-02T04:04:05Z"
    assert looked(accepting(), stopped(without(new, CLAIM)))[0]["reason"] == "DataLost"


def test_loss_accepted_for_other_data() -> None:
    """An acceptance of another loss is none."""
    said, objects, _ = looked(accepting("2025-01-02T03:04:05Z"), pruned())
    assert said["reason"] == "DataLost" and CLAIM not in objects


def test_claim_restored() -> None:
    """A claim of the same name that somebody restores is used, and its server does not start without data."""
    seen = pruned()
    live = lived().objects[CLAIM]
    back = {**live, "metadata": {**live["metadata"], "uid": "restored"}}
    with_claim = replace(seen, objects={**seen.objects, CLAIM: back})
    said, objects, after = looked(users(A), with_claim)
    assert said["reason"] == "Starting" and guarded(objects) == "users-database-0"
    _, rest = steps(users(A), after)
    assert (recorded(rest)["claim"], recorded(rest)["since"]) == (CLAIM.name, SINCE)


def test_microservice_created_again() -> None:
    """A new resource of the same name, without a status, adopts a kept claim or creates one."""
    kept = replace(without(lived(), FIRST), status={})
    assert looked(users(A), kept)[0]["reason"] == "Starting"
    assert CLAIM in looked(users(A), without(kept, CLAIM))[1]


def test_volume_lost() -> None:
    """A claim without its volume is reported, and replaced once the loss is accepted."""
    seen = changed(stopped(lived()), CLAIM, status={"phase": "Lost"})
    said, objects, _ = looked(users(A), seen)
    assert said["reason"] == "DataLost" and "has lost volume" in said["message"]
    assert not {CLAIM, FIRST} & objects.keys() and removed(users(A), seen) == set()
    assert removed(accepting(), seen) == {CLAIM, FIRST}


def pod(**status: Any) -> Object:
    labels = meta.pod_labels(users(A), meta.DATABASE)
    return {"metadata": {"name": "users-database-0", "labels": labels}, "status": {"containerStatuses": [status]}}


REFUSED: Object = {"terminated": {"exitCode": 1, "message": f'{{"outcome": "{EMPTY}"}}'}}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"state": REFUSED, "started": False}, "DataLost"),
        ({"state": {"waiting": {}}, "lastState": REFUSED, "started": False}, "DataLost"),
        ({"state": {"running": {}}, "lastState": REFUSED, "started": True}, "CrashLooping"),
        ({"state": {"running": {}}, "lastState": {}, "started": False}, "Starting"),
    ],
    ids=["ended", "waits", "restored", "starts"],
)
def test_volume_emptied(status: Object, reason: str) -> None:
    """A server that refuses an empty volume is a loss, until it has started."""
    seen = replace(stopped(lived()), pods=(pod(name="postgresql", **status),))
    assert looked(users(A), seen)[0]["reason"] == reason
    assert removed(users(A), seen) == set()
    assert removed(accepting(), seen) == ({CLAIM, FIRST} if reason == "DataLost" else set())


def test_loss_accepted_while_nothing_is_lost() -> None:
    """An acceptance changes nothing while the data is there."""
    seen = lived()
    assert removed(accepting(), seen) == set()
    assert recorded(looked(accepting(), seen)[2]) == recorded(seen)


def test_claim_being_deleted() -> None:
    """While the claim is being deleted, no edit and no lost Secret changes the server, and the condition says so."""
    seen = changed(lived(), CLAIM, metadata={"deletionTimestamp": SINCE})
    edited = users(A, resources={"limits": {"memory": "1Gi"}})
    said, objects, _ = looked(edited, seen)
    assert (said["status"], said["reason"]) == ("False", "VolumeBeingDeleted")
    assert "the data goes with the claim when pod users-database-0 next stops" in said["message"]
    assert FIRST not in objects and removed(edited, seen) == set()
    assert FIRST in looked(edited, lived())[1]
    _, objects, _ = looked(edited, replace(without(seen, *SECRETS), passwords=FRESH))
    assert set(SECRETS) <= objects.keys() and FIRST not in objects


def test_new_passwords_restart_no_server() -> None:
    """The server's pods stay when all Secrets of the database are lost and made anew."""
    before = lived()
    _, after = steps(users(A), replace(without(before, *SECRETS), passwords=FRESH))
    assert after.objects[SECRETS[2]]["data"] != before.objects[SECRETS[2]]["data"]
    assert after.objects[FIRST] == before.objects[FIRST]


def test_primary_lost_in_rollback_window() -> None:
    """An older copy does not become the primary by itself; it is kept, and the message names it."""
    _, rest = steps(users(B), at_rest())
    early = replace(changed(rest, SECOND, status={}), status={"data": recorded(lived())})
    assert recorded(looked(users(B), early)[2]) == recorded(rest), "recorded before the server is ready"
    seen = changed(without(rest, SECOND_CLAIM), SECOND, status={})
    said, objects, _ = looked(users(B), seen)
    assert said["reason"] == "DataLost" and f"an older or incomplete copy is in {CLAIM.name}" in said["message"]
    assert not {CLAIM, SECOND_CLAIM} & objects.keys() and removed(users(B), seen) == set()


def test_primary_lost_during_copy() -> None:
    """The standby of a move is kept when the primary's claim is lost: it may be the only copy left."""
    _, rest = steps(users(A), at_rest())
    for _ in range(2):
        rest = placed(rest, reconcile(users(B), rest))
    assert {SECOND, SECOND_CLAIM} <= rest.objects.keys()
    seen = stopped(without(rest, CLAIM))
    assert looked(users(B), seen)[0]["reason"] == "DataLost"
    assert removed(users(B), seen) == set()


def test_data_lost_after_move_to_namespace() -> None:
    """The destination reports its own loss, although the source has a stale copy with lower epoch; the source has no
    record of data that was moved away."""
    two = moved()
    assert recorded(two.seen[HERE]) == {} and recorded(two.seen[THERE])["claim"] == CLAIM.name
    two.seen[THERE] = stopped(without(two.seen[THERE], CLAIM))
    two.settle()
    assert condition(two, THERE, "DatabaseReady")["reason"] == "DataLost"
    assert CLAIM not in two.objects(THERE)


@pytest.mark.parametrize("claim", ["another", "users-database-data-x", "users-database-data-" + 40 * "9", ""])
def test_record_of_no_instance(claim: str) -> None:
    """A record that names no claim of the service is ignored."""
    seen = replace(pruned(), status={"data": {"claim": claim, "uid": "x", "epoch": 7, "since": SINCE}})
    assert CLAIM in looked(users(A), seen)[1]
