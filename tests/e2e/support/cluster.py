"""The cluster under test: kubectl commands as a person types them, reads by the API, and watches instead of sleeps."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hack.stage import SYSTEM_NAMESPACE, Stage, grant
from tests.e2e.support.reads import Reads, reads
from tests.e2e.support.waits import waiting, waits

Object = dict[str, Any]
OPERATOR = ("-n", SYSTEM_NAMESPACE, "deployment/freehold")
OPERATOR_PODS = ("-n", SYSTEM_NAMESPACE, "-l", "app.kubernetes.io/component=operator")
LEASE = "lease/freehold"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
OURS = "freehold.dev/e2e"
"""The label of every namespace that stories create; its value is the run, so that leftovers are found."""
BEGUN = os.environ.setdefault("FREEHOLD_E2E_BEGUN", f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}")
"""The start time of this run; all processes of a run share the value."""


@dataclass(frozen=True)
class Cluster:
    """The cluster under test, with Freehold installed."""

    stage: Stage

    def tried(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl with these arguments; a failure is the caller's to judge."""
        command = ["kubectl", *arguments]
        with waiting() if waits(arguments) else nullcontext():
            return subprocess.run(
                command, env=self.stage.environment(), input=text, capture_output=True, text=True, check=False
            )

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Return the output of kubectl, which must succeed."""
        done = self.tried(*arguments, text=text)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}\n{done.stderr or done.stdout}"
        return done.stdout

    def apply(self, *objects: Object) -> None:
        """Apply objects as `kubectl apply -f` does."""
        self.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def refused(self, body: Object) -> str:
        """Return the API server's message on refusing an object; fails where the object is accepted."""
        done = self.tried("apply", "--dry-run=server", "-f", "-", text=json.dumps(body))
        assert done.returncode != 0, f"the API server took {json.dumps(body)}"
        return done.stderr

    @contextmanager
    def operator_down(self) -> Iterator[None]:
        """Scale the operator to zero for the duration of the block."""
        replicas = self.kubectl("get", *OPERATOR, "-o", "jsonpath={.spec.replicas}")
        self.kubectl("scale", *OPERATOR, "--replicas=0")
        self.kubectl("wait", "--for=delete", "pods", *OPERATOR_PODS, "--timeout=60s")
        try:
            yield
        finally:
            self.kubectl("scale", *OPERATOR, f"--replicas={replicas}")
            self.operator_up()

    def operator_up(self) -> None:
        """Wait until the operator's newest pods run, and one of them leads."""
        self.kubectl("rollout", "status", *OPERATOR, "--timeout=120s")
        self.leader()

    def leader(self) -> Object:
        """Return the operator's pod that holds the Lease; wait until a pod that is there does."""
        pods: dict[str, Object] = {}

        def led(lease: Object) -> bool:
            """held by a pod of the operator"""
            found = json.loads(self.kubectl("get", "pods", *OPERATOR_PODS, "-o", "json"))["items"]
            pods.update({pod["metadata"]["name"]: pod for pod in found if "deletionTimestamp" not in pod["metadata"]})
            return _holder(lease) in pods

        return pods[_holder(Space(self, SYSTEM_NAMESPACE).until(LEASE, led))]


@dataclass(frozen=True)
class Space:
    """A namespace of a story."""

    cluster: Cluster
    name: str

    @property
    def _reads(self) -> Reads:
        return reads(self.cluster.stage.kubeconfig)

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        return self.cluster.kubectl("-n", self.name, *arguments, text=text)

    def begun(self, *arguments: str) -> subprocess.Popen[str]:
        """Start kubectl in the background; the caller reads, writes and ends the process."""
        pipe, environment = subprocess.PIPE, self.cluster.stage.environment()
        return subprocess.Popen(
            ["kubectl", "-n", self.name, *arguments], env=environment, stdin=pipe, stdout=pipe, text=True
        )

    def make(self, **labels: str) -> None:
        """Create the namespace with the restricted Pod Security Standard and the grant for Freehold's Secrets."""
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
        """Return an object, like `deployment/users`, which must exist."""
        kind, _, name = what.partition("/")
        return self._reads.get(kind, self.name, name)

    def exists(self, what: str) -> bool:
        return bool(self.kubectl("get", what, "--ignore-not-found", "-o", "name"))

    def find(self, kinds: str, selector: str = "") -> list[Object]:
        """Return the objects of these kinds (comma-separated) that match a label selector."""
        return [live for kind in kinds.split(",") for live in self._reads.find(kind, self.name, selector)]

    def pods(self, service: str, component: str = "service") -> list[Object]:
        """Return a service's pods of one component, without terminating pods and probes."""
        selector = f"app.kubernetes.io/instance={service},app.kubernetes.io/component={component},!freehold.dev/probe"
        return [pod for pod in self.find("pods", selector) if "deletionTimestamp" not in pod["metadata"]]

    def delete(self, *what: str) -> None:
        """Delete objects and wait until none exists."""
        self.kubectl("delete", *what, "--timeout=120s")

    def gone(self, *what: str, within: float = 60) -> None:
        """Wait until an object, or every selected object, does not exist. within: seconds."""
        self.kubectl("wait", "--for=delete", *what, f"--timeout={within:g}s")

    def until(self, what: str, holds: Callable[[Object], bool], within: float = 60) -> Object:
        """Watch an object, like `deployment/users`, until a predicate holds. within: seconds."""
        kind, _, name = what.partition("/")
        last: Object = {}
        with waiting():
            for last in self._reads.watch(kind, self.name, f"metadata.name={name}", within):
                if holds(last):
                    return last
        wanted = getattr(holds, "__doc__", None) or "what was awaited"
        raise AssertionError(f"{what} in {self.name}: not {wanted} after {within:g} s; last seen: {brief(last)}")

    def condition(self, service: str, kind: str) -> Object:
        """Return the present condition of a Microservice, or an empty dict."""
        return conditions(self.get(f"microservice/{service}")).get(kind, {})

    def until_condition(
        self, service: str, kind: str, status: str, reason: str | None = None, within: float = 60
    ) -> str:
        """Watch until a condition of the newest generation has this status and reason; return its message."""

        def holds(live: Object) -> bool:
            found = conditions(live).get(kind, {})
            fresh = found.get("observedGeneration") == live["metadata"]["generation"]
            return fresh and found.get("status") == status and reason in (None, found.get("reason"))

        holds.__doc__ = f"{kind} {status} {reason or ''}".strip()
        live = self.until(f"microservice/{service}", holds, within)
        return str(conditions(live)[kind]["message"])

    def until_ready(self, *services: str, within: float = 180) -> None:
        """Watch until each service is Ready in its newest generation. within: seconds for each."""
        for service in services:
            self.until_condition(service, "Ready", "True", within=within)

    def until_event(self, name: str, kind: str, reason: str, about: str = "Microservice", within: float = 10) -> str:
        """Wait for an Event with this type and reason about an object; return its message."""
        chosen = f"type={kind},reason={reason},involvedObject.kind={about},involvedObject.name={name}"
        # The operator writes an Event right after the status.
        with waiting():
            found = next(self._reads.watch("events", self.name, chosen, within), None)
        assert found, f"no {kind} Event {reason} about {name} in {self.name} after {within:g} s"
        return str(found["message"])

    def psql(self, service: str, query: str, server: str = "database") -> str:
        """Return the result of a superuser's query inside the server's pod. server: its name, like `database-2`."""
        inside = ("--", "psql", "-h", "/var/run/postgresql", "-U", "postgres", "-v", "ON_ERROR_STOP=1")
        return self.kubectl("exec", f"{service}-{server}-0", "-c", "postgresql", *inside, "-Atqc", query, "app").strip()


def _holder(lease: Object) -> str:
    """Return the pod that holds a Lease; empty if none does. An identity is the pod's name and a random part."""
    return str(lease["spec"].get("holderIdentity") or "").partition("_")[0]


def conditions(live: Object) -> dict[str, Object]:
    """The conditions of a Microservice by their types."""
    return {entry["type"]: entry for entry in live.get("status", {}).get("conditions", [])}


def uids(objects: list[Object]) -> set[str]:
    return {body["metadata"]["uid"] for body in objects}


def brief(live: Object) -> str:
    """Return an object as short JSON for a failure message, without managedFields."""
    metadata = {key: value for key, value in live.get("metadata", {}).items() if key != "managedFields"}
    return json.dumps({**live, "metadata": metadata})[:3000]
