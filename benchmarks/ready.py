"""Time from `kubectl apply` of one service to Ready, with the operator and by hand, in turns on one cluster."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml
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
"""All but a probe, which is made once the service is Ready and then removed, and what the image says it offers."""
SCRIPTS = Path(__file__).with_name("scripts")
SECONDS = 400


def compare(kubectl: Kubectl, extent: Extent, step: Step) -> Outcome:
    """Time both ways in turns, the first way changing from round to round; the first round compares the objects."""
    ways: dict[str, Callable[[Kubectl, str, Path], float]] = {"with": _with_operator, "without": _without_operator}
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for number in extent.numbers():
        for way in sorted(ways, reverse=bool(number % 2)):
            step.say(f"{extent.shown(number)}, {way} the operator")
            seconds = _round(kubectl, ways[way], check=way == "with" and number == extent.numbers().start)
            if number:
                taken[way].append(seconds)
    return _outcome(taken["with"], taken["without"])


def _outcome(with_it: Sequence[float], without: Sequence[float]) -> Outcome:
    ratio = statistics.median(with_it) / statistics.median(without)
    figures = (
        Figure("apply to Ready, with the operator", statistics.median(with_it), "s", note=_spread(with_it)),
        Figure("the same objects by a script", statistics.median(without), "s", note=_spread(without)),
        Figure("ratio of the medians", ratio, "", RATIO),
        Figure("median of each round's ratio", pairwise_ratio(with_it, without), "", RATIO),
    )
    return Outcome("ready", figures, {"with": list(with_it), "without": list(without)})


def _spread(seconds: Sequence[float]) -> str:
    return f"{min(seconds):.2f} to {max(seconds):.2f} s in {len(seconds)} rounds"


def _round(kubectl: Kubectl, way: Callable[[Kubectl, str, Path], float], *, check: bool) -> float:
    with tempfile.TemporaryDirectory() as folder, namespaces.fresh(kubectl) as namespace:
        seconds = way(kubectl, namespace, Path(folder))
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
    """That the operator made what the script applies, no more and no less, apart from passwords and their digests."""
    wanted = [body for stage in rendered.stages(microservice(namespace, "users")) for body in stage]
    kinds = ",".join(sorted({body["kind"].lower() for body in wanted}))
    live = kubectl.items(kinds, "-n", namespace, "-l", MADE)
    found = {_name(body): body for body in live}
    if sorted(found) != sorted(map(_name, wanted)):
        raise BenchmarkError(f"the operator made {sorted(found)}, the script would apply {sorted(map(_name, wanted))}")
    for body in wanted:
        if not contains(_plain(found[_name(body)]), _plain(body)):
            raise BenchmarkError(f"the script would apply another {_name(body)} than the operator made")


def _name(body: dict[str, object]) -> str:
    """Kind and name; that of a Job ends in a digest of the volume's identity, which differs from cluster to cluster."""
    metadata = json.loads(json.dumps(body["metadata"]))
    return f"{body['kind']}/{metadata['name'].rpartition('-')[0] if body['kind'] == 'Job' else metadata['name']}"


def _plain(body: dict[str, object]) -> object:
    """The spec without annotations of pods, which are digests of passwords."""
    plain = json.loads(json.dumps(body.get("spec", {})))
    plain.get("template", {}).get("metadata", {}).pop("annotations", None)
    return plain
