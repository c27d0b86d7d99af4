"""Calls per second answered by servers in each language: the same call to the same service, created by `freehold new`.

The call reads a note from the service's own database. A fixed number of calls runs concurrently, from a pod with a
declared consumer's labels. The languages alternate in each round, because a slow machine then affects all equally.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from freehold.cli.commands import new

from hack.stage import Stage
from localcluster.progress import Step

from . import ghz, namespaces
from .extent import Extent
from .figures import Figure, Outcome
from .kubectl import Kubectl
from .services import microservice

AT_ONCE = 20
CALLER = "caller"
NOTE = {"id": "shopping", "text": "milk and bread"}
READY_SECONDS = 240


def compare(kubectl: Kubectl, stage: Stage, extent: Extent, step: Step) -> Outcome:
    """Measure the service of each language once in each round."""
    rates: dict[str, list[float]] = {language: [] for language in extent.languages}
    with namespaces.fresh(kubectl) as namespace:
        names = list(map(_name, rates))
        kubectl.apply(*_services(stage, namespace, rates, step), _caller(namespace, names))
        step.say("waiting until all services are ready")
        kubectl.wait_ready("-n", namespace, *names, seconds=READY_SECONDS)
        caller = ghz.start_caller(kubectl, namespace, CALLER, extent.call_seconds, step)
        step.say("a note in each service")
        for language in rates:
            _copy_contract(caller, language)
            _throughput(caller, language, "PutNote", NOTE, at_once=1)
        for number in extent.numbers():
            step.say(extent.progress(number))
            for language, measured in rates.items():
                rate = _throughput(caller, language, "GetNote", {"id": NOTE["id"]}, at_once=AT_ONCE)
                measured += [rate] if number else []
    return outcome(rates)


def _name(language: str) -> str:
    """Return the name used in the end-to-end stories, to reuse the layers of the image's build."""
    return f"note-book-{language}"


def _services(stage: Stage, namespace: str, languages: Iterable[str], step: Step) -> Iterator[dict[str, Any]]:
    """Create a service in each language and import the images on the nodes; return the Microservices."""
    with tempfile.TemporaryDirectory() as work:
        for language in languages:
            step.say(f"a new service in {language}")
            folder = new.make(_name(language), language, Path(work))
            stage.put_on_nodes(folder)
            body: dict[str, Any] = yaml.safe_load((folder / "microservice.yaml").read_text())
            body["metadata"]["namespace"] = namespace
            body["spec"]["database"]["storage"]["size"] = "64Mi"
            yield body


def _copy_contract(caller: ghz.Caller, language: str) -> None:
    """Copy the contract's source to the caller, to measure calls without reflection."""
    name = _name(language)
    package = new.forms(name)["example_service"]
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / f"{name}.proto"
        file.write_text(new.rendered(name, language)[f"proto/{package}/v1/notes.proto"])
        caller.copy(file, f"/tmp/{file.name}")


def _caller(namespace: str, consumed: Iterable[str]) -> dict[str, Any]:
    consumes = [{"name": name} for name in consumed]
    return microservice(namespace, CALLER, ghz.IMAGE, grpc={"contract": "None"}, replicas=0, consumes=consumes)


def _throughput(caller: ghz.Caller, language: str, method: str, request: Mapping[str, str], at_once: int) -> float:
    name = _name(language)
    service = f"{new.forms(name)['example_service']}.v1.NotesService"
    call = (f"--proto=/tmp/{name}.proto", f"--call={service}/{method}", f"--data={json.dumps(request)}")
    return caller.throughput(f"dns:///{name}.{caller.namespace}.svc:50051", at_once, call)


def outcome(rates: Mapping[str, Sequence[float]]) -> Outcome:
    """Return the calls per second of each language, as the median of all rounds."""
    figures = tuple(
        Figure(f"calls per second, {language}", statistics.median(measured), note=_spread(measured))
        for language, measured in rates.items()
    )
    return Outcome("languages", figures, dict(rates))


def _spread(rates: Sequence[float]) -> str:
    return f"{min(rates):.0f} to {max(rates):.0f} in {len(rates)} rounds, {AT_ONCE} concurrent calls, one pod"
