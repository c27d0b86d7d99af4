"""Three namespaces with changing declarations, and pods that outlive the changes.

Beside the operator's pods, each service has a stand-in: a pod of the story with the labels that the operator gives to
the service's pods. The same network policies select the stand-in, it listens on every port under test, and no rollout
ends it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tests.e2e.support.cluster import Cluster, Object, Space
from tests.e2e.support.connection_attempts import Target, reached, stranger
from tests.e2e.support.continuous_probing import PROGRAM, PYTHON, Place, Probing
from tests.e2e.support.microservices import IMAGES, microservice
from tests.e2e.support.random_declarations import Declarations, Key
from tests.e2e.support.reachability import DATABASE, HTTP, LISTENS, STRANGER, Member, Pair, lasting, members, pairs

KINDS = "microservices,pods,networkpolicies,namespaces,nodes"
COMPONENT = "app.kubernetes.io/component"
INSTANCE = "app.kubernetes.io/instance"


class Snapshot(NamedTuple):
    """The content of the API server at one time: the declarations, and all objects of KINDS."""

    declarations: Declarations
    objects: list[Object]


@dataclass
class Estate:
    """spaces: the namespaces by name. now: the present declarations."""

    cluster: Cluster
    spaces: Mapping[str, Space]
    now: Declarations

    def settle_in(self) -> None:
        """Start everything that is declared, a stand-in for each service and an unmanaged pod in each namespace."""
        for home, space in self.spaces.items():
            space.make(**self.now.namespaces[home])
            space.apply(stranger(STRANGER, IMAGES["users"], {}, _listening(HTTP)))
        self._declare(self.now.services)
        self._stand_in(self.now.services)

    def until_running(self) -> None:
        """Wait until each service with pods runs the pods of its newest declaration."""
        for member in members(self.now):
            if not lasting(member):
                self.spaces[member.namespace].until_condition(member.service, "EndpointReady", "True", within=240)

    def change(self, after: Declarations, probing: Probing) -> None:
        """Apply other declarations. A stand-in is deleted before, and started after, its service's policies."""
        before, self.now = self.now, after
        departed, arrived = _missing(before, after), _missing(after, before)
        if departed:
            self.aim(probing)
        for home, name in departed:
            self.spaces[home].delete(f"pod/{_stand_in(name)}")
            self.spaces[home].delete(f"microservice/{name}")
        for home, labels in after.namespaces.items():
            if labels != before.namespaces[home]:
                self.spaces[home].make(**labels)
        self._declare(_changed(before, after))
        if arrived:
            self._stand_in(arrived)
            self.aim(probing)

    def until_observed(self, before: Declarations) -> None:
        """Wait until the operator has observed each declaration that has changed."""
        for home, name in _changed(before, self.now):
            self.spaces[home].until(f"microservice/{name}", _observed, within=20)

    def aim(self, probing: Probing, *, all_pods: bool = False) -> None:
        """Probe from the story's pods to each other and to the databases, or to all pods."""
        found = self.places(self.snapshot())
        sources = [member for member in found if not member.real]
        probing.aim(sources, {member: place for member, place in found.items() if all_pods or lasting(member)})

    def snapshot(self) -> Snapshot:
        """Read the objects of the three namespaces, and the nodes."""
        found = json.loads(self.cluster.kubectl("get", KINDS, "--all-namespaces", "-o", "json"))["items"]
        inside = [body for body in found if body["metadata"].get("namespace") in (*self.spaces, None)]
        labels = {_key(body)[1]: body["metadata"]["labels"] for body in inside if body["kind"] == "Namespace"}
        services = {_key(body): body["spec"] for body in inside if body["kind"] == "Microservice"}
        return Snapshot(Declarations({home: labels[home] for home in self.spaces}, services), inside)

    def places(self, seen: Snapshot) -> dict[Member, Place]:
        """Return the pod of each member; during a rollout, the newest pod."""
        pods = [body for body in seen.objects if body["kind"] == "Pod" and "deletionTimestamp" not in body["metadata"]]
        pods.sort(key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
        return {
            member: Place(pod["metadata"]["name"], pod["status"].get("podIP", ""))
            for member in members(self.now)
            for pod in pods
            if _is(pod, member)
        }

    def reached_from_real(self, places: Mapping[Member, Place]) -> set[Pair]:
        """Return the pairs that are open from the operator's own pods, as tried from inside each pod."""
        found = set[Pair]()
        for source in (member for member in places if member.real):
            tried = {Target(str(p), places[p.target].address, p.port): p for p in pairs([source], places)}
            answered = reached(self.spaces[source.namespace], places[source].pod, tried)
            found |= {tried[target] for target in answered}
        return found

    def _declare(self, services: Mapping[Key, Object]) -> None:
        for wanted, space in self.spaces.items():
            bodies = [microservice(name, **spec) for (home, name), spec in services.items() if home == wanted]
            if bodies:
                space.apply(*bodies)

    def _stand_in(self, keys: Iterable[Key]) -> None:
        """Start stand-ins. A service's network policies exist once its Deployment does, as they are written first."""
        for home, name in keys:
            worn = self.spaces[home].until(f"deployment/{name}", bool, within=240)["spec"]["template"]["metadata"]
            body = stranger(_stand_in(name), IMAGES["users"], worn["labels"], _listening(*LISTENS))
            self.spaces[home].apply(body)
        for space in self.spaces.values():
            named = [f"pod/{_stand_in(name)}" for home, name in keys if home == space.name]
            space.kubectl("wait", f"pod/{STRANGER}", *named, "--for=condition=Ready", "--timeout=120s")


def _listening(*ports: int) -> list[str]:
    return [PYTHON, "-c", PROGRAM, "listen", *map(str, ports)]


def _stand_in(service: str) -> str:
    return f"{service}-stand-in"


def _is(pod: Object, member: Member) -> bool:
    metadata = pod["metadata"]
    if metadata["namespace"] != member.namespace:
        return False
    if member.component == STRANGER:
        return bool(metadata["name"] == STRANGER)
    if member.component == DATABASE:
        return bool(metadata["name"] == f"{member.service}-database-0")
    if not member.real:
        return bool(metadata["name"] == _stand_in(member.service))
    labels = metadata.get("labels", {})
    started = any(owner["kind"] == "ReplicaSet" for owner in metadata.get("ownerReferences", []))
    return started and (labels.get(INSTANCE), labels.get(COMPONENT)) == (member.service, member.component)


def _key(body: Object) -> Key:
    return body["metadata"].get("namespace", ""), body["metadata"]["name"]


def _missing(before: Declarations, after: Declarations) -> list[Key]:
    """Return the services that are declared before and not after."""
    return [key for key in before.services if key not in after.services]


def _changed(before: Declarations, after: Declarations) -> dict[Key, Object]:
    """Return the services that are new or have changed."""
    return {key: spec for key, spec in after.services.items() if spec != before.services.get(key)}


def _observed(live: Object) -> bool:
    """observed in its newest generation"""
    return bool(live.get("status", {}).get("observedGeneration") == live["metadata"]["generation"])
