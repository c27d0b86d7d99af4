"""Findings of the scanners, and accepted findings with their reasons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


@dataclass(frozen=True, order=True)
class Finding:
    """The result of a failed check of an object. object: like `Deployment shop/users`."""

    scanner: str
    check: str
    says: str
    object: str

    @property
    def label(self) -> str:
        """The name of the finding in findings.yaml, without the object."""
        return f"{self.scanner} {self.check}: {self.says}"


class Accepted(BaseModel):
    """Accepted findings and the reason. objects: patterns like those of file names; findings: exact labels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    because: Annotated[Words, Field(min_length=20)]
    objects: Annotated[tuple[Words, ...], Field(min_length=1)]
    findings: Annotated[tuple[Words, ...], Field(min_length=1)]

    def covers(self, finding: Finding) -> bool:
        return finding.label in self.findings and any(fnmatchcase(finding.object, name) for name in self.objects)


@dataclass(frozen=True)
class Verdict:
    """Findings with and without a reason, and stale reasons, which have no finding."""

    accepted: tuple[Finding, ...]
    open: tuple[Finding, ...]
    stale: tuple[str, ...]


def read(file: Path) -> tuple[Accepted, ...]:
    """Read the accepted findings. Raises pydantic.ValidationError, which names the invalid entry."""
    return TypeAdapter(tuple[Accepted, ...]).validate_python(yaml.safe_load(file.read_text()))


def judge(findings: Iterable[Finding], accepted: Sequence[Accepted]) -> Verdict:
    """Assign a reason to each finding. A label or pattern without a finding is stale: it would hide a later finding."""
    every = sorted(set(findings))
    covered = [finding for finding in every if any(one.covers(finding) for one in accepted)]
    stale = [said for one in accepted for said in _stale(one, covered)]
    return Verdict(tuple(covered), tuple(finding for finding in every if finding not in covered), tuple(stale))


def _stale(one: Accepted, covered: list[Finding]) -> list[str]:
    mine = [finding for finding in covered if one.covers(finding)]
    labels = [label for label in one.findings if label not in {finding.label for finding in mine}]
    patterns = [name for name in one.objects if not any(fnmatchcase(finding.object, name) for finding in mine)]
    return [f"{said} ({one.because[:60]}…)" for said in (*labels, *patterns)]
