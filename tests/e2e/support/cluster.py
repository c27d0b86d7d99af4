"""A real cluster as these stories use it: kubectl, as a person types it, and watches in place of sleeps."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hack.stage import SYSTEM_NAMESPACE, Stage, grant
from tests.e2e.support.waits import waiting, waits

Object = dict[str, Any]
OPERATOR = ("-n", SYSTEM_NAMESPACE, "deployment/freehold")
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
OURS = "freehold.dev/e2e"
"""Labels every namespace the stories make with their run, for leftovers of a broken one to be found."""
BEGUN = os.environ.setdefault("FREEHOLD_E2E_BEGUN", f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}")
"""When this run began; processes of the same run are told."""


@dataclass(frozen=True)
class Cluster:
    """The cluster under test, with Freehold installed."""

    stage: Stage

    def tried(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """kubectl with these arguments, whatever comes of it."""
        command = ["kubectl", *arguments]
        with waiting() if waits(arguments) else nullcontext():
            return subprocess.run(
                command, env=self.stage.environment(), input=text, capture_output=True, text=True, check=False
            )

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """What kubectl printed; it must succeed."""
        done = self.tried(*arguments, text=text)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}\n{done.stderr or done.stdout}"
        return done.stdout

    def apply(self, *objects: Object) -> None:
        """Apply objects as `kubectl apply -f` does."""
        self.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def refused(self, body: Object) -> str:
        """What the API server says on refusing an object; fails when it takes it."""
        done = self.tried("apply", "--dry-run=server", "-f", "-", text=json.dumps(body))
        assert done.returncode != 0, f"the API server took {json.dumps(body)}"
        return done.stderr

    @contextmanager
    def operator_down(self) -> Iterator[None]:
        """No operator runs while in here."""
        self.kubectl("scale", *OPERATOR, "--replicas=0")
        pods = ("pods", "-n", SYSTEM_NAMESPACE, "-l", "app.kubernetes.io/component=operator")
        self.kubectl("wait", "--for=delete", *pods, "--timeout=60s")
        try:
            yield
        finally:
            self.kubectl("scale", *OPERATOR, "--replicas=1")
            self.operator_up()

    def operator_up(self) -> None:
        """Wait until the operator's newest pod runs."""
        self.kubectl("rollout", "status", *OPERATOR, "--timeout=120s")


@dataclass(frozen=True)
class Space:
    """One namespace of a story."""

    cluster: Cluster
    name: str

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        return self.cluster.kubectl("-n", self.name, *arguments, text=text)

    def begun(self, *arguments: str) -> subprocess.Popen[str]:
        """kubectl that goes on, for its caller to write to, to read from, and to end."""
        pipe, environment = subprocess.PIPE, self.cluster.stage.environment()
        return subprocess.Popen(
            ["kubectl", "-n", self.name, *arguments], env=environment, stdin=pipe, stdout=pipe, text=True
        )

    def make(self, **labels: str) -> None:
        """Create the namespace; it refuses pods that could harm their node, and lets Freehold keep Secrets."""
        metadata = {"name": self.name, "labels": {**RESTRICTED, OURS: BEGUN, **labels}}
        self.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, grant(self.name))

    def apply(self, *objects: Object) -> None:
        """Apply objects into this namespace."""
        self.cluster.apply(*({**body, "metadata": {**body["metadata"], "namespace": self.name}} for body in objects))

    def patch(self, what: str, patch: Object) -> None:
        """Merge a change into an object, like `microservice/users`."""
        self.kubectl("patch", what, "--type=merge", "-p", json.dumps(patch))

    def spec(self, service: str, **spec: Any) -> None:
        """Merge a change into the spec of a Microservice."""
        self.patch(f"microservice/{service}", {"spec": spec})

    def get(self, what: str) -> Object:
        """An object, like `deployment/users`; it must exist."""
        found: Object = json.loads(self.kubectl("get", what, "-o", "json"))
        return found

    def exists(self, what: str) -> bool:
        return bool(self.kubectl("get", what, "--ignore-not-found", "-o", "name"))

    def find(self, kinds: str, selector: str = "") -> list[Object]:
        """Objects of these kinds (comma list) with these labels."""
        items: list[Object] = json.loads(self.kubectl("get", kinds, "-l", selector, "-o", "json"))["items"]
        return items

    def pods(self, service: str, component: str = "service") -> list[Object]:
        """A service's pods of one component that are not on their way out, probes not among them."""
        selector = f"app.kubernetes.io/instance={service},app.kubernetes.io/component={component},!freehold.dev/probe"
        return [pod for pod in self.find("pods", selector) if "deletionTimestamp" not in pod["metadata"]]

    def delete(self, *what: str) -> None:
        """Delete and wait until it is gone."""
        self.kubectl("delete", *what, "--timeout=120s")

    def gone(self, *what: str, within: float = 60) -> None:
        """Wait until an object, or every one that is chosen, does not exist."""
        self.kubectl("wait", "--for=delete", *what, f"--timeout={within:g}s")

    def until(self, what: str, holds: Callable[[Object], bool], within: float = 60) -> Object:
        """Watch an object, like `deployment/users`, until something holds of it. within: seconds."""
        kind, _, name = what.partition("/")
        last: Object = {}
        with waiting():
            for last in self._watch(kind, f"metadata.name={name}", within):
                if holds(last):
                    return last
        wanted = getattr(holds, "__doc__", None) or "what was awaited"
        raise AssertionError(f"{what} in {self.name}: not {wanted} after {within:g} s; last seen: {brief(last)}")

    def _watch(self, kind: str, chosen: str, within: float) -> Iterator[Object]:
        """The chosen objects in each of their versions, from the present one on, for so many seconds."""
        command = ["kubectl", "-n", self.name, "get", kind, f"--field-selector={chosen}"]
        follow = ["--watch", "--output-watch-events", "-o", "json"]
        environment = self.cluster.stage.environment()
        watch = subprocess.Popen([*command, *follow], env=environment, stdout=subprocess.PIPE, text=True)
        timer = threading.Timer(within, watch.kill)
        timer.start()
        try:
            for line in watch.stdout or ():
                event = json.loads(line)
                if event["type"] != "DELETED":
                    yield event["object"]
        finally:
            timer.cancel()
            watch.kill()
            watch.wait()

    def condition(self, service: str, kind: str) -> Object:
        """One condition of a Microservice, as it is now."""
        return conditions(self.get(f"microservice/{service}")).get(kind, {})

    def until_condition(
        self, service: str, kind: str, status: str, reason: str | None = None, within: float = 60
    ) -> str:
        """Watch until a condition of the newest generation is so; returns its message."""

        def holds(live: Object) -> bool:
            found = conditions(live).get(kind, {})
            fresh = found.get("observedGeneration") == live["metadata"]["generation"]
            return fresh and found.get("status") == status and reason in (None, found.get("reason"))

        holds.__doc__ = f"{kind} {status} {reason or ''}".strip()
        live = self.until(f"microservice/{service}", holds, within)
        return str(conditions(live)[kind]["message"])

    def until_ready(self, *services: str, within: float = 180) -> None:
        """Watch until each of these is Ready in its newest generation."""
        for service in services:
            self.until_condition(service, "Ready", "True", within=within)

    def until_event(self, name: str, kind: str, reason: str, about: str = "Microservice", within: float = 10) -> str:
        """An Event about a Microservice, or another kind, with this type and reason; returns what it says."""
        chosen = f"type={kind},reason={reason},involvedObject.kind={about},involvedObject.name={name}"
        # An Event is written right after the status that was just seen.
        with waiting():
            found = next(self._watch("events", chosen, within), None)
        assert found, f"no {kind} Event {reason} about {name} in {self.name} after {within:g} s"
        return str(found["message"])

    def psql(self, service: str, query: str, seat: str = "database") -> str:
        """A query in a service's database server, by its superuser from inside the pod. seat: which of its servers."""
        inside = ("--", "psql", "-h", "/var/run/postgresql", "-U", "postgres", "-v", "ON_ERROR_STOP=1")
        return self.kubectl("exec", f"{service}-{seat}-0", "-c", "postgresql", *inside, "-Atqc", query, "app").strip()


def conditions(live: Object) -> dict[str, Object]:
    """The conditions of a Microservice by their types."""
    return {entry["type"]: entry for entry in live.get("status", {}).get("conditions", [])}


def uids(objects: list[Object]) -> set[str]:
    return {body["metadata"]["uid"] for body in objects}


def brief(live: Object) -> str:
    """An object without what only the API server cares for."""
    metadata = {key: value for key, value in live.get("metadata", {}).items() if key != "managedFields"}
    return json.dumps({**live, "metadata": metadata})[:3000]
