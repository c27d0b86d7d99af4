"""A client of the API server for tests: plain objects over HTTP, and kubectl for what a person would do.

There are no nodes and no controllers, so that every write is Freehold's or a test's. `run` stands in for controllers
and writes the status of workloads that run.
"""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import urllib3
import yaml
from freehold.core.model.resources import Object
from freehold.kube.kinds import BY_NAME, MICROSERVICE, POD, Kind
from freehold.kube.received import decode

from localcluster.paths import tools_bin

T = TypeVar("T")
JSON, MERGE, APPLY = "application/json", "application/merge-patch+json", "application/apply-patch+yaml"
NAMESPACE = Kind("Namespace", "v1", "namespaces", namespaced=False)
OTHERS = {kind.name: kind for kind in (NAMESPACE, POD, MICROSERVICE)}
KINDS = {**BY_NAME, **OTHERS}
PATIENCE_SECONDS = 60.0


class Refused(Exception):
    """The API server refused a request; the message is the server's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Cluster:
    """An API server, with the rights of a kubeconfig: an administrator's, or those of a token."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        user = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]
        token = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        self._headers = {"User-Agent": "tests", **token}
        self.url, context = credentials(kubeconfig)
        self._pool = urllib3.PoolManager(ssl_context=context, retries=False, maxsize=8)

    def request(
        self, method: str, path: str, body: Object | str | None = None, content: str = JSON, **query: str
    ) -> Object:
        """Send a request; raises Refused with the server's message. body: an object, or JSON."""
        parameters = "&".join(f"{key}={value}" for key, value in query.items())
        answer = self._pool.request(
            method,
            f"{self.url}{path}?{parameters}",
            body=body if body is None or isinstance(body, str) else json.dumps(body),
            headers={"Content-Type": content, **self._headers},
        )
        if answer.status >= 400:
            raise Refused(answer.status, _message(answer.data.decode()))
        decoded: Object = decode(answer.data)
        return decoded

    def kubectl(self, *arguments: str, stdin: str = "", succeeds: bool = True) -> str:
        """Return the output of kubectl, errors included."""
        command = [str(tools_bin() / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=stdin, text=True, capture_output=True, timeout=30, check=False)
        assert (done.returncode == 0) is succeeds, done.stdout + done.stderr
        return done.stdout + done.stderr

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        try:
            return self.request("GET", KINDS[kind].path(namespace, name))
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def list(self, kind: str, namespace: str) -> list[Object]:
        try:
            found: list[Object] = self.request("GET", KINDS[kind].path(namespace)).get("items", [])
        except Refused as refused:
            if refused.status == 404 and KINDS[kind].optional:
                return []
            raise
        return [{"kind": kind, **live} for live in found]

    def create(self, body: Object, **query: str) -> Object:
        namespace = body["metadata"].get("namespace")
        return self.request("POST", KINDS[body["kind"]].path(namespace), body, **query)

    def patch(self, kind: str, namespace: str, name: str, body: Object, part: str = "", **query: str) -> Object:
        path = KINDS[kind].path(namespace, name) + (f"/{part}" if part else "")
        return self.request("PATCH", path, body, MERGE, **query)

    def delete(self, kind: str, namespace: str, name: str) -> None:
        self.request("DELETE", KINDS[kind].path(namespace, name), {"propagationPolicy": "Background"})

    def namespace(self, name: str, **labels: str) -> str:
        self.create({"kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        return name

    def owned(self, namespace: str) -> dict[str, Object]:
        """Return Freehold's objects in a namespace by `Kind name`, without isolation probes, which are temporary."""
        found = (live for kind in BY_NAME for live in self.list(kind, namespace))
        return {f"{live['kind']} {live['metadata']['name']}": live for live in found if _is_owned(live)}

    def serves(self, kind: str = "Microservice") -> bool:
        """Whether the server serves a kind, as it does not for a moment after a change of the kind's definition."""
        try:
            return "items" in self.request("GET", KINDS[kind].path())
        except (Refused, urllib3.exceptions.HTTPError):
            return False

    def run(self, namespace: str) -> None:
        """Write the status of running workloads, in place of the controllers; Jobs with a message are left to tests."""
        for kind in ("PersistentVolumeClaim", "StatefulSet", "Job", "Deployment"):
            for live in (live for live in self.list(kind, namespace) if not _answers(live)):
                status = running(live)
                if any(live.get("status", {}).get(key) != value for key, value in status.items()):
                    self._say(kind, live["metadata"], status)

    def _say(self, kind: str, metadata: Object, status: Object) -> None:
        """Write a status; as with a controller, the status of an object that was deleted meanwhile is lost."""
        try:
            self.patch(kind, metadata["namespace"], metadata["name"], {"status": status}, "status")
        except Refused as refused:
            if refused.status != 404:
                raise

    def conditions(self, namespace: str, name: str) -> dict[str, Object]:
        live = self.get("Microservice", namespace, name)
        return {c["type"]: c for c in (live or {}).get("status", {}).get("conditions", [])}

    def ready(self, namespace: str, name: str = "users") -> Object:
        """Wait until a service is Ready, in place of the controllers; return the Ready condition."""

        def look() -> Object | None:
            self.run(namespace)
            live = self.get("Microservice", namespace, name) or {}
            found = self.conditions(namespace, name).get("Ready", {})
            current = found.get("observedGeneration") == live.get("metadata", {}).get("generation")
            return found if found.get("status") == "True" and current else None

        return until(look, lambda: f"{namespace}/{name} is ready; it says {self.conditions(namespace, name)}")

    def says(self, namespace: str, name: str, kind: str, reason: str) -> Object:
        """Wait until a condition has this reason; return the condition."""

        def look() -> Object | None:
            found = self.conditions(namespace, name).get(kind, {})
            return found if found.get("reason") == reason else None

        return until(look, lambda: f"{kind} gives {reason}; it says {self.conditions(namespace, name).get(kind)}")


def _is_owned(live: Object) -> bool:
    labels = live["metadata"].get("labels", {})
    is_probe = labels.get("freehold.dev/capability") == "verification"
    return labels.get("app.kubernetes.io/managed-by") == "freehold" and not is_probe


def _answers(live: Object) -> bool:
    """Whether a Job's pod ends with a message: that of a contract reader or of a switchover."""
    labels = live["spec"].get("template", {}).get("metadata", {}).get("labels", {})
    component, role = (labels.get(key) for key in ("app.kubernetes.io/component", "freehold.dev/role"))
    return live["kind"] == "Job" and (component == "contract" or role == "switchover")


def _message(text: str) -> str:
    """Return the message of a Status object, or the text of another answer."""
    try:
        return str(json.loads(text)["message"])
    except ValueError:
        return text


def until(look: Callable[[], T | None], what: str | Callable[[], str], seconds: float = PATIENCE_SECONDS) -> T:
    """Poll until the result is true, and return the result."""
    deadline = time.monotonic() + seconds
    while True:
        if seen := look():
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"within {seconds:.0f} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.05)


def running(live: Object) -> Object:
    """Return the status that controllers write to a healthy object."""
    count = live["spec"].get("replicas", 1)
    generation = live["metadata"].get("generation")
    pods = {"observedGeneration": generation, "replicas": count, "updatedReplicas": count}
    now = "2026-01-02T03:04:05Z"
    done = [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in ("SuccessCriteriaMet", "Complete")]
    statuses: dict[str, Object] = {
        "PersistentVolumeClaim": {"phase": "Bound"},
        "StatefulSet": {**pods, "readyReplicas": count, "availableReplicas": count},
        "Deployment": {**pods, "readyReplicas": count, "availableReplicas": count},
        "Job": {"conditions": done, "startTime": now, "completionTime": now, "succeeded": 1},
    }
    return statuses[live["kind"]]


def credentials(kubeconfig: Path) -> tuple[str, ssl.SSLContext]:
    """Return the address and the certificates of a kubeconfig's only context, without those of a user with a token."""
    whole: Any = yaml.safe_load(kubeconfig.read_text())
    cluster, user = whole["clusters"][0]["cluster"], whole["users"][0]["user"]
    decoded = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=decoded)
    if "token" in user:
        return cluster["server"], context
    with tempfile.NamedTemporaryFile() as pem:
        pem.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
        pem.flush()
        context.load_cert_chain(pem.name)
    return cluster["server"], context
