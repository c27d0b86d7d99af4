"""`python -m tests.assurance`, called by `make test-manifests`: checkov and kube-score over every object of Freehold.

Each finding is corrected, or accepted in findings.yaml with a reason. Exit code 1: a finding has no reason, or a reason
has no finding.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from tests.assurance import findings, objects, scanners
from tests.assurance.findings import Finding

ACCEPTED = Path(__file__).with_name("findings.yaml")


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.assurance", description=__doc__)
    parser.add_argument("--checkov", required=True, type=Path, help="the program, in an environment of its own")
    try:
        return _report(parser.parse_args().checkov)
    except (scanners.ScanError, ValidationError) as error:
        print(f"test-manifests: {error}", file=sys.stderr)
        return 2


def _report(checkov: Path) -> int:
    accepted = findings.read(ACCEPTED)
    chart, made = objects.of_the_chart(), objects.of_the_operator()
    print(f"objects   {len(chart) + len(made)}: {len(chart)} of the chart, {len(made)} that the operator makes")
    scans = scanners.scan([*chart, *made], checkov)
    for scan in scans:
        print(f"checks    {scan.checks} by {scan.scanner}, {len(scan.findings)} findings")
    verdict = findings.judge((finding for scan in scans for finding in scan.findings), accepted)
    print(f"accepted  {len(verdict.accepted)} findings, for {len(accepted)} reasons in {ACCEPTED.name}")
    _list(f"{count:>4}  {label}" for label, count in Counter(f.label for f in verdict.accepted).items())
    print(f"open      {len(verdict.open)} findings without a reason")
    _list(map(_line, verdict.open))
    print(f"stale     {len(verdict.stale)} reasons without a finding")
    _list(verdict.stale)
    return 1 if verdict.open or verdict.stale else 0


def _line(finding: Finding) -> str:
    return f"{finding.object}: {finding.label}"


def _list(lines: Iterable[str]) -> None:
    for line in lines:
        print(f"          {line}")


if __name__ == "__main__":
    sys.exit(main())
