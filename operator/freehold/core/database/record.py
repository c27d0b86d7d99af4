"""The record of the data in `status.data`: the claim that has held the data, so that no empty volume takes its place.

A Microservice's status ends with the Microservice; a kept claim is adopted without a record. People end a record by
annotation freehold.dev/accept-data-loss.
"""

from __future__ import annotations

from typing import NamedTuple

from freehold.core.database.instance import number_of_claim
from freehold.core.model.case import Case, fact
from freehold.core.model.resources import Object, Ref
from freehold.core.objects import meta


class Record(NamedTuple):
    """The claim of the primary, once its server was ready.

    number: of the instance. claim: the name. uid: of the claim. volume: the PersistentVolume. epoch: of the primary.
    since: the time of the first record, which a move and a restored claim keep.
    """

    number: int
    claim: str
    uid: str
    volume: str
    epoch: int
    since: str

    def to_status(self) -> Object:
        """Return the record as `status.data` shows it."""
        fields = {key: value for key, value in self._asdict().items() if value}
        return {key: value for key, value in fields.items() if key != "number"}


@fact
def current(case: Case) -> Record | None:
    """Return the last written record; None without one, or once its loss was accepted and its claim is gone."""
    known = _written(case)
    if known is None or (is_accepted(case) and _uid_of(_claim(case, known.claim)) != known.uid):
        return None
    return known


def is_accepted(case: Case) -> bool:
    """Return whether somebody accepts that the recorded data is lost."""
    known = _written(case)
    return known is not None and case.service.annotations.get(meta.ACCEPT_DATA_LOSS) == known.since


@fact
def missing(case: Case) -> Record | None:
    """Return the record if the recorded claim does not exist; else None."""
    known = current(case)
    return known if known and _claim(case, known.claim) is None else None


def _uid_of(claim: Object | None) -> str:
    """Return the uid of a claim; empty without a claim."""
    return str((claim or {}).get("metadata", {}).get("uid", ""))


def _claim(case: Case, name: str) -> Object | None:
    return case.observed.objects.get(Ref("PersistentVolumeClaim", name))


def _written(case: Case) -> Record | None:
    data = case.observed.status.get("data", {})
    number = number_of_claim(case.name, data.get("claim", ""))
    if number is None:
        return None
    text = {key: str(data.get(key, "")) for key in ("claim", "uid", "volume", "since")}
    return Record(number, epoch=int(data.get("epoch", 0)), **text)
