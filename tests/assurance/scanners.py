"""checkov and kube-score over a folder of objects: findings in a common form, and the numbers of objects and checks.

Each object is a separate file, so that each finding names an object. Both scanners read all files at once, because
some checks relate objects to each other.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freehold.core.model.resources import Object

from localcluster.paths import tools_bin
from localcluster.tools import kubernetes_version
from tests.assurance.findings import Finding
from tests.assurance.objects import title

SECONDS = 300
MORE_CHECKS = ("container-seccomp-profile", "container-ports-check")
"""Optional checks of kube-score that agree with Freehold's design."""
PERFECT = 10
"""kube-score's grade of an object without findings."""
UNREACHABLE_PROXY = "http://127.0.0.1:9"
"""An absent HTTP proxy, so that a scanner that uses the network fails at once."""


class ScanError(Exception):
    """A scanner failed; the message is printed unchanged."""


@dataclass(frozen=True)
class Scan:
    """The objects and findings of a scanner. checks: the number of checks of all objects."""

    scanner: str
    checks: int
    findings: tuple[Finding, ...]


def scan(objects: Sequence[Object], checkov: Path) -> list[Scan]:
    """Run both scanners over these objects. Raises ScanError."""
    with tempfile.TemporaryDirectory(prefix="freehold-manifests-") as path:
        folder = Path(path)
        for number, body in enumerate(objects):
            # In JSON, which is YAML: YAML parsers disagree on whether a digest such as 12e45678 is a number.
            (folder / f"{number}.yaml").write_text(json.dumps(body, indent=2))
        scans = [_checkov(checkov, folder, objects), _kube_score(folder, objects)]
    for done in scans:
        if done.checks < len(objects):
            raise ScanError(
                f"{done.scanner} made {done.checks} checks of {len(objects)} objects; not all files were read"
            )
    return scans


def _checkov(program: Path, folder: Path, objects: Sequence[Object]) -> Scan:
    options = ("--framework", "kubernetes", "--skip-download", "--compact", "--quiet", "--output", "json")
    report = _run(folder, program, "--directory", folder, *options)
    if report["summary"]["parsing_errors"]:
        raise ScanError(f"checkov could not read {report['results'].get('parsing_errors')}")
    findings = [
        Finding("checkov", check["check_id"], check["check_name"], _title(check["file_path"], objects))
        for check in report["results"]["failed_checks"]
    ]
    return Scan("checkov", report["summary"]["passed"] + report["summary"]["failed"], tuple(findings))


def _kube_score(folder: Path, objects: Sequence[Object]) -> Scan:
    minor = "v" + kubernetes_version().rpartition(".")[0]
    more = ("--enable-optional-test", ",".join(MORE_CHECKS))
    options = ("--output-format", "json", "--kubernetes-version", minor, *more)
    report = _run(folder, tools_bin() / "kube-score", "score", *options, *sorted(folder.glob("*.yaml")))
    checks = [(body["file_name"], check) for body in report for check in body["checks"] if not check["skipped"]]
    findings = [
        Finding("kube-score", check["check"]["id"], comment["summary"], _title(file, objects))
        for file, check in checks
        if check["grade"] < PERFECT
        for comment in check["comments"] or ()
    ]
    return Scan("kube-score", len(checks), tuple(findings))


def _run(folder: Path, *command: str | Path) -> Any:
    """Return the output of a scanner, without this environment; both scanners exit with 1 on findings."""
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "HTTP_PROXY": UNREACHABLE_PROXY,
        "HTTPS_PROXY": UNREACHABLE_PROXY,
    }
    done = subprocess.run(
        list(map(str, command)),
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        output = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise ScanError(f"{command[0]} ended with exit code {done.returncode}:\n{output}") from error


def _title(file: str, objects: Sequence[Object]) -> str:
    return title(objects[int(Path(file).stem)])
