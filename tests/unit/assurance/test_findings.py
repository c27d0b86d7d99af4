"""No finding without a reason, no reason without a finding."""

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


def test_a_finding_with_a_reason_is_accepted_and_one_without_stays_open() -> None:
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
def test_a_reason_covers_one_check_of_one_scanner_on_what_it_names(different: Finding) -> None:
    assert findings.judge([LIMIT, different], [accepted(LIMIT.label)]).open == (different,)


def test_a_label_or_an_object_that_nothing_is_found_for_is_stale() -> None:
    told = accepted(LIMIT.label, "scanner GONE: it was so", about=("Deployment *", "StatefulSet *"))
    first, second = findings.judge([LIMIT], [told]).stale
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
def test_a_reason_is_a_sentence_about_something(text: str, tmp_path: Path) -> None:
    file = tmp_path / "findings.yaml"
    file.write_text(text)
    with pytest.raises(ValidationError):
        findings.read(file)


def test_every_kind_that_the_operator_makes_is_looked_at() -> None:
    assert {body["kind"] for body in objects.of_the_operator()} == set(BY_NAME)


def test_roles_for_named_namespaces_are_looked_at_beside_the_default_ones() -> None:
    titles = [objects.title(body) for body in objects.of_the_chart()]
    assert {"ClusterRole freehold", "Role shop/freehold", "RoleBinding accounts/freehold"} <= set(titles)
    assert len(titles) == len(set(titles))
