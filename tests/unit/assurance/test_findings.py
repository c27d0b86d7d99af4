"""Findings of the scanners need a reason, and reasons need a finding."""

from __future__ import annotations

from pathlib import Path

import pytest
from freehold.kube.kinds import BY_NAME
from pydantic import ValidationError

from tests.assurance import findings, objects
from tests.assurance.findings import Accepted, Finding

PODS = "Deployment shop/users"
LIMIT = Finding("scanner", "ONE", "limits should be set", PODS)
REASON = "A limit makes it wait while others idle."


def accepted(*labels: str, about: tuple[str, ...] = ("Deployment *",)) -> Accepted:
    return Accepted(because=REASON, objects=about, findings=labels)


def test_finding_accepted_by_reason() -> None:
    """A finding with a reason is accepted; a finding without stays open."""
    other = Finding("scanner", "TWO", "it has a token", PODS)
    verdict = findings.judge([LIMIT, other], [accepted(LIMIT.label)])
    assert (verdict.accepted, verdict.open, verdict.stale) == ((LIMIT,), (other,), ())


@pytest.mark.parametrize(
    "different",
    [
        Finding("another", "ONE", "limits should be set", PODS),
        Finding("scanner", "ONE", "requests should be set", PODS),
        Finding("scanner", "ONE", "limits should be set", "Job shop/users"),
    ],
)
def test_reason_scope(different: Finding) -> None:
    """A reason covers a single check of a scanner on the named objects."""
    assert findings.judge([LIMIT, different], [accepted(LIMIT.label)]).open == (different,)


def test_stale_reason_found() -> None:
    """A label or an object without a finding is stale."""
    reason = accepted(LIMIT.label, "scanner GONE: it was so", about=("Deployment *", "StatefulSet *"))
    first, second = findings.judge([LIMIT], [reason]).stale
    assert first.startswith("scanner GONE: it was so")
    assert second.startswith("StatefulSet *")


@pytest.mark.parametrize(
    "text",
    [
        "[{objects: [a], findings: [b]}]",
        "[{because: ' ', objects: [a], findings: [b]}]",
        "[{because: fine, objects: [a], findings: [b]}]",
        f"[{{because: {REASON}, objects: [], findings: [b]}}]",
    ],
)
def test_reason_format(text: str, tmp_path: Path) -> None:
    """A reason is a sentence, and names objects and findings."""
    file = tmp_path / "findings.yaml"
    file.write_text(text)
    with pytest.raises(ValidationError):
        findings.read(file)


def test_all_kinds_scanned() -> None:
    """Every kind that the operator creates is scanned."""
    assert {body["kind"] for body in objects.of_the_operator()} == set(BY_NAME)


def test_named_namespace_roles_scanned() -> None:
    """Roles for named namespaces are scanned in addition to the default roles."""
    titles = [objects.title(body) for body in objects.of_the_chart()]
    assert {"ClusterRole freehold", "Role shop/freehold", "RoleBinding accounts/freehold"} <= set(titles)
    assert len(titles) == len(set(titles))
