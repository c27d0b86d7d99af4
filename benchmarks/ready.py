"""Time from `kubectl apply` of a service to Ready, with the operator and with a script, on the same cluster."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml
from freehold.core.model.dns import PORT
from freehold.kube.diff import contains

from localcluster import paths
from localcluster.progress import Step
from localcluster.run import run

from . import namespaces, rendered
from .errors import BenchmarkError
from .extent import Extent
from .figures import Figure, Outcome, pairwise_ratio
from .kubectl import Kubectl
from .rig import microservice

RATIO = 1.10
MADE = (
    "app.kubernetes.io/managed-by=freehold,freehold.dev/capability!=verification,app.kubernetes.io/component!=contract"
)
"""Selects all objects except the connectivity probe, created after Ready, and the contract of the image."""
SCRIPTS = Path(__file__).with_name("scripts")
SECONDS = 400


def compare(kubectl: Kubectl, extent: Extent, step: Step) -> Outcome:
    """Time both variants in each round, in alternating order; the first round also compares the objects."""
    variants: dict[str, Callable[[Kubectl, str, Path], float]] = {"with": _with_operator, "without": _without_operator}
    durations: dict[str, list[float]] = {variant: [] for variant in variants}
    for number in extent.numbers():
        for variant in sorted(variants, reverse=bool(number % 2)):
            step.say(f"{extent.progress(number)}, {variant} the operator")
            seconds = _round(kubectl, variants[variant], check=variant == "with" and number == extent.numbers().start)
            if number:
                durations[variant].append(seconds)
    return _outcome(durations["with"], durations["without"])


def _outcome(with_operator: Sequence[float], without_operator: Sequence[float]) -> Outcome:
    medians = statistics.median(with_operator), statistics.median(without_operator)
    figures = (
        Figure("apply to Ready, with the operator", medians[0], "s", note=_spread(with_operator)),
        Figure("same objects applied by a script", medians[1], "s", note=_spread(without_operator)),
        Figure("ratio of the medians", medians[0] / medians[1], "", RATIO),
        Figure("median of each round's ratio", pairwise_ratio(with_operator, without_operator), "", RATIO),
    )
    return Outcome("ready", figures, {"with": list(with_operator), "without": list(without_operator)})


def _spread(seconds: Sequence[float]) -> str:
    return f"{min(seconds):.2f} to {max(seconds):.2f} s in {len(seconds)} rounds"


def _round(kubectl: Kubectl, variant: Callable[[Kubectl, str, Path], float], *, check: bool) -> float:
    with tempfile.TemporaryDirectory() as folder, namespaces.fresh(kubectl) as namespace:
        seconds = variant(kubectl, namespace, Path(folder))
        if check:
            _check_same(kubectl, namespace)
        return seconds


def _with_operator(kubectl: Kubectl, namespace: str, folder: Path) -> float:
    file = folder / "users.yaml"
    file.write_text(yaml.safe_dump(microservice(namespace, "users")))
    return _timed(kubectl, SCRIPTS / "with-operator.sh", namespace, file)


def _without_operator(kubectl: Kubectl, namespace: str, folder: Path) -> float:
    files = rendered.write(folder, microservice(namespace, "users"))
    return _timed(kubectl, SCRIPTS / "without-operator.sh", namespace, *files)


def _timed(kubectl: Kubectl, *command: str | Path) -> float:
    path = f"{paths.tools_bin()}{os.pathsep}{os.environ['PATH']}"
    started = time.monotonic()
    run(command, env={"KUBECONFIG": str(kubectl.kubeconfig), "PATH": path}, timeout=SECONDS)
    return time.monotonic() - started


def _check_same(kubectl: Kubectl, namespace: str) -> None:
    """Compare the operator's objects with the script's, except passwords and digests of passwords.

    Raises BenchmarkError on a missing, further or different object.
    """
    expected = [body for stage in rendered.stages(microservice(namespace, "users")) for body in stage]
    kinds = ",".join(sorted({body["kind"].lower() for body in expected}))
    live = kubectl.items(kinds, "-n", namespace, "-l", MADE)
    created = {_name(body): body for body in live}
    if sorted(created) != sorted(map(_name, expected)):
        raise BenchmarkError(
            f"the operator created {sorted(created)}, the script would apply {sorted(map(_name, expected))}"
        )
    for body in expected:
        if not contains(_plain(created[_name(body)]), _plain(body)):
            raise BenchmarkError(f"the script's {_name(body)} differs from the operator's")


def _name(body: dict[str, object]) -> str:
    """Return kind and name; for a Job without the digest of the volume's identity, which differs between clusters."""
    metadata = json.loads(json.dumps(body["metadata"]))
    return f"{body['kind']}/{metadata['name'].rpartition('-')[0] if body['kind'] == 'Job' else metadata['name']}"


def _plain(body: dict[str, object]) -> object:
    """Return the spec without the annotations of pods, which are digests of passwords, and without the rule of a
    network policy for DNS, which the operator finds in the cluster."""
    plain = json.loads(json.dumps(body.get("spec", {})))
    plain.get("template", {}).get("metadata", {}).pop("annotations", None)
    if "egress" in plain:
        plain["egress"] = [
            rule for rule in plain["egress"] if PORT not in {port.get("port") for port in rule.get("ports", [])}
        ]
    return plain
