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
    description: str
    object: str

    @property
    def label(self) -> str:
        """The name of the finding in findings.yaml, without the object."""
        return f"{self.scanner} {self.check}: {self.description}"


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
    unique = sorted(set(findings))
    covered = [finding for finding in unique if any(entry.covers(finding) for entry in accepted)]
    stale = [line for entry in accepted for line in _stale(entry, covered)]
    return Verdict(tuple(covered), tuple(finding for finding in unique if finding not in covered), tuple(stale))


def _stale(entry: Accepted, covered: list[Finding]) -> list[str]:
    explained = [finding for finding in covered if entry.covers(finding)]
    labels = [label for label in entry.findings if label not in {finding.label for finding in explained}]
    patterns = [name for name in entry.objects if not any(fnmatchcase(finding.object, name) for finding in explained)]
    return [f"{name} ({entry.because[:60]}…)" for name in (*labels, *patterns)]
