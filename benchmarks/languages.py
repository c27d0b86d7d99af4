"""How many calls a second a server of each language answers: the same call to the same service, made by `freehold new`.

The call reads a note from the service's own database. So many are under way all the time, from a pod that stands where
a declared consumer stands; the languages take turns, so that what slows the machine for a while slows all.
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
    """Call the service of each language in turns, round by round."""
    taken: dict[str, list[float]] = {language: [] for language in extent.languages}
    with namespaces.fresh(kubectl) as namespace:
        names = list(map(_name, taken))
        kubectl.apply(*_services(stage, namespace, taken, step), _caller(namespace, names))
        step.say("until all are ready")
        kubectl.wait_ready("-n", namespace, *names, seconds=READY_SECONDS)
        caller = ghz.stand(kubectl, namespace, CALLER, extent.call_seconds, step)
        step.say("a note for each")
        for language in taken:
            _hand_contract(caller, language)
            _called(caller, language, "PutNote", NOTE, at_once=1)
        for number in extent.numbers():
            step.say(extent.shown(number))
            for language, found in taken.items():
                rate = _called(caller, language, "GetNote", {"id": NOTE["id"]}, at_once=AT_ONCE)
                found += [rate] if number else []
    return outcome(taken)


def _name(language: str) -> str:
    """The name that the end-to-end stories use, so that their steps of the image's build are used again."""
    return f"note-book-{language}"


def _services(stage: Stage, namespace: str, languages: Iterable[str], step: Step) -> Iterator[dict[str, Any]]:
    """A new service of each language, its image on the nodes."""
    with tempfile.TemporaryDirectory() as work:
        for language in languages:
            step.say(f"a new service in {language}")
            folder = new.make(_name(language), language, Path(work))
            stage.put_on_nodes(folder)
            body: dict[str, Any] = yaml.safe_load((folder / "microservice.yaml").read_text())
            body["metadata"]["namespace"] = namespace
            body["spec"]["database"]["storage"]["size"] = "64Mi"
            yield body


def _hand_contract(caller: ghz.Caller, language: str) -> None:
    """Copy the contract's source to the caller, so that reflection is none of what is measured."""
    name = _name(language)
    package = new.forms(name)["example_service"]
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / f"{name}.proto"
        file.write_text(new.rendered(name, language)[f"proto/{package}/v1/notes.proto"])
        caller.copy(file, f"/tmp/{file.name}")


def _caller(namespace: str, consumed: Iterable[str]) -> dict[str, Any]:
    consumes = [{"name": name} for name in consumed]
    return microservice(namespace, CALLER, ghz.IMAGE, grpc={"contract": "None"}, replicas=0, consumes=consumes)


def _called(caller: ghz.Caller, language: str, method: str, request: Mapping[str, str], at_once: int) -> float:
    name = _name(language)
    service = f"{new.forms(name)['example_service']}.v1.NotesService"
    call = (f"--proto=/tmp/{name}.proto", f"--call={service}/{method}", f"--data={json.dumps(request)}")
    return caller.most(f"dns:///{name}.{caller.namespace}.svc:50051", at_once, call)


def outcome(taken: Mapping[str, Sequence[float]]) -> Outcome:
    """Calls a second of each language: the median of its rounds."""
    figures = tuple(
        Figure(f"calls a second, {language}", statistics.median(found), note=_spread(found))
        for language, found in taken.items()
    )
    return Outcome("languages", figures, dict(taken))


def _spread(found: Sequence[float]) -> str:
    return f"{min(found):.0f} to {max(found):.0f} in {len(found)} rounds, {AT_ONCE} at once, one pod"
