"""Objects of a counterpart in another form than readers expect are not observed, and are named once."""

from __future__ import annotations

import pytest
from freehold.core.model.resources import Object
from freehold.kube import shapes


def live(kind: str, annotations: Object | None = None, **body: object) -> Object:
    metadata = {"namespace": "evil", "name": "users", "resourceVersion": "1", "annotations": annotations or {}}
    return {"kind": kind, "metadata": metadata, **body}


@pytest.mark.parametrize(
    ("each", "fits"),
    [
        (live("PersistentVolumeClaim"), True),
        (live("PersistentVolumeClaim", {"freehold.dev/epoch": "3"}), True),
        (live("PersistentVolumeClaim", {"freehold.dev/epoch": "three"}), False),
        (live("PersistentVolumeClaim", {"freehold.dev/promoted-at": "9999-12-31T23:59:59Z"}), False),
        (live("PersistentVolumeClaim", {"freehold.dev/write-pause-ms": "-"}), False),
        (live("PersistentVolumeClaim", spec={"resources": {"requests": {"storage": "much"}}}), False),
        (live("Secret", data={"password": "eA=="}), True),
        (live("Secret", data={"password": "x"}), False),
        (live("Pod", status={"podIP": "10.0.0.1", "conditions": [{"type": "Ready"}]}), False),
        (live("Job", status="any"), True),
    ],
)
def test_form(each: Object, fits: bool, caplog: pytest.LogCaptureFixture) -> None:
    """A form that a reader would fail at does not fit; kinds that only this cluster's server writes are not judged."""
    assert shapes.fits(each) is fits
    assert shapes.fits(each) is fits
    assert len(caplog.messages) <= 1
