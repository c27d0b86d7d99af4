"""checkov and kube-score over a folder of objects: what they find, in one form, and how much they looked at.

Each object is a file of its own, so that a finding leads back to its object, and both scanners see all of them at once:
some of their checks are about how objects go together.
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
"""Of kube-score's optional ones, those that contradict nothing we mean."""
PERFECT = 10
"""kube-score's grade of an object that needs nothing."""
NOWHERE = "http://127.0.0.1:9"
"""A proxy that is not there: a scanner that would ask the network for anything fails at once."""


class ScanError(Exception):
    """A scanner did not do its work; the text is shown as it is."""


@dataclass(frozen=True)
class Scan:
    """What a scanner looked at and found. checks: how many it made, of all objects together."""

    scanner: str
    checks: int
    findings: tuple[Finding, ...]


def scan(objects: Sequence[Object], checkov: Path) -> list[Scan]:
    """Both scanners over these objects. Raises ScanError."""
    with tempfile.TemporaryDirectory(prefix="freehold-manifests-") as made:
        folder = Path(made)
        for number, body in enumerate(objects):
            # In JSON, which is YAML: a digest such as 12e45678 is a number to some who read YAML, and not to others.
            (folder / f"{number}.yaml").write_text(json.dumps(body, indent=2))
        scans = [_checkov(checkov, folder, objects), _kube_score(folder, objects)]
    for done in scans:
        if done.checks < len(objects):
            raise ScanError(
                f"{done.scanner} made {done.checks} checks of {len(objects)} objects; it cannot have read them"
            )
    return scans


def _checkov(program: Path, folder: Path, objects: Sequence[Object]) -> Scan:
    options = ("--framework", "kubernetes", "--skip-download", "--compact", "--quiet", "--output", "json")
    said = _run(folder, program, "--directory", folder, *options)
    if said["summary"]["parsing_errors"]:
        raise ScanError(f"checkov could not read {said['results'].get('parsing_errors')}")
    findings = [
        Finding("checkov", one["check_id"], one["check_name"], _about(one["file_path"], objects))
        for one in said["results"]["failed_checks"]
    ]
    return Scan("checkov", said["summary"]["passed"] + said["summary"]["failed"], tuple(findings))


def _kube_score(folder: Path, objects: Sequence[Object]) -> Scan:
    minor = "v" + kubernetes_version().rpartition(".")[0]
    more = ("--enable-optional-test", ",".join(MORE_CHECKS))
    options = ("--output-format", "json", "--kubernetes-version", minor, *more)
    said = _run(folder, tools_bin() / "kube-score", "score", *options, *sorted(folder.glob("*.yaml")))
    made = [(body["file_name"], one) for body in said for one in body["checks"] if not one["skipped"]]
    findings = [
        Finding("kube-score", one["check"]["id"], comment["summary"], _about(file, objects))
        for file, one in made
        if one["grade"] < PERFECT
        for comment in one["comments"] or ()
    ]
    return Scan("kube-score", len(made), tuple(findings))


def _run(folder: Path, *command: str | Path) -> Any:
    """What a scanner answers; both exit with 1 when they find something. It gets nothing of this environment."""
    environment = {"PATH": os.defpath, "HOME": str(folder), "HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE}
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
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise ScanError(f"{command[0]} ended with exit code {done.returncode}:\n{said}") from error


def _about(file: str, objects: Sequence[Object]) -> str:
    return title(objects[int(Path(file).stem)])
