"""Conditions for refused objects."""

from __future__ import annotations

import pytest
from freehold.controller.reporting import refusal
from freehold.kube.errors import RefusedError

AGAIN = "Freehold makes it again as declared"
ORPHAN = "with --cascade=orphan so that the pods go on"
UNDO = "undo the change, or move the database to a volume as declared"
SETS = "updates to statefulset spec for fields other than 'replicas', 'template' are forbidden"
CLAIMS = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            'Job.batch "x-1" is invalid: spec.template: Invalid value: {"a":{}}: field is immutable',
            f'Job.batch "x-1" is invalid: spec.template: field is immutable; delete Job x-1; {AGAIN}',
        ),
        (
            f'StatefulSet.apps "x" is invalid: spec: Forbidden: {SETS}',
            f'StatefulSet.apps "x" is invalid: spec: Forbidden: {SETS}; delete StatefulSet x, {ORPHAN}; {AGAIN}',
        ),
        (
            'Service "x" is invalid: spec.clusterIPs[0]: Invalid value: []string{"None"}: may not change once set',
            f'Service "x" is invalid: spec.clusterIPs[0]: may not change once set; delete Service x; {AGAIN}',
        ),
        (
            f'PersistentVolumeClaim "x" is invalid: spec: Forbidden: {CLAIMS}',
            f'PersistentVolumeClaim "x" is invalid: spec: Forbidden: {CLAIMS}; {UNDO}',
        ),
        ('jobs.batch "x" is forbidden: exceeded quota', 'jobs.batch "x" is forbidden: exceeded quota'),
        (
            'Job.batch "x" is invalid: spec.parallelism: Invalid value: -1: must be positive',
            'Job.batch "x" is invalid: spec.parallelism: Invalid value: -1: must be positive',
        ),
    ],
)
def test_refusal_names_way_out(said: str, message: str) -> None:
    """A refusal for an immutable field names what to do; another refusal is repeated."""
    assert refusal(RefusedError(422, said)).message == message
