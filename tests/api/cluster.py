"""A way into the API server for tests: plain objects over HTTP, kubectl where a person would use it.

There are no nodes and no controllers here, so that every write is Freehold's or a test's. `run` plays the controllers:
it says of all that should run that it does.
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

from localcluster.paths import tools_bin

T = TypeVar("T")
JSON, MERGE, APPLY = "application/json", "application/merge-patch+json", "application/apply-patch+yaml"
NAMESPACE = Kind("Namespace", "v1", "namespaces", namespaced=False)
OTHERS = {kind.name: kind for kind in (NAMESPACE, POD, MICROSERVICE)}
KINDS = {**BY_NAME, **OTHERS}
PATIENCE_SECONDS = 60.0


class Refused(Exception):
    """The API server's own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Cluster:
    """One API server, as an administrator."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self.url, context = credentials(kubeconfig)
        self._pool = urllib3.PoolManager(ssl_context=context, retries=False, maxsize=8)

    def request(self, method: str, path: str, body: Object | None = None, content: str = JSON, **query: str) -> Object:
        """Raises Refused with the server's words."""
        parameters = "&".join(f"{key}={value}" for key, value in query.items())
        answer = self._pool.request(
            method,
            f"{self.url}{path}?{parameters}",
            body=json.dumps(body) if body is not None else None,
            headers={"Content-Type": content, "User-Agent": "tests"},
        )
        if answer.status >= 400:
            raise Refused(answer.status, _message(answer.data.decode()))
        decoded: Object = answer.json()
        return decoded

    def kubectl(self, *arguments: str, stdin: str = "", succeeds: bool = True) -> str:
        """What kubectl prints, errors included."""
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
        """All that Freehold made in a namespace, by `Kind name`, but for probes, which come and go."""
        found = (live for kind in BY_NAME for live in self.list(kind, namespace))
        return {f"{live['kind']} {live['metadata']['name']}": live for live in found if _is_owned(live)}

    def serves(self, kind: str = "Microservice") -> bool:
        """Whether the server is there and serves a kind; just after its definition changed it does not."""
        try:
            return "items" in self.request("GET", KINDS[kind].path())
        except (Refused, urllib3.exceptions.HTTPError):
            return False

    def run(self, namespace: str) -> None:
        """Say of everything that is to run that it runs, where that is not said yet; some speak for themselves."""
        for kind in ("PersistentVolumeClaim", "StatefulSet", "Job", "Deployment"):
            for live in (live for live in self.list(kind, namespace) if not _answers(live)):
                status = running(live)
                if any(live.get("status", {}).get(key) != value for key, value in status.items()):
                    self._say(kind, live["metadata"], status)

    def _say(self, kind: str, metadata: Object, status: Object) -> None:
        """Like any controller's, a word about what was removed meanwhile is lost."""
        try:
            self.patch(kind, metadata["namespace"], metadata["name"], {"status": status}, "status")
        except Refused as refused:
            if refused.status != 404:
                raise

    def conditions(self, namespace: str, name: str) -> dict[str, Object]:
        live = self.get("Microservice", namespace, name)
        return {c["type"]: c for c in (live or {}).get("status", {}).get("conditions", [])}

    def ready(self, namespace: str, name: str = "users") -> Object:
        """Wait until a service is ready, playing the controllers meanwhile; its Ready condition."""

        def look() -> Object | None:
            self.run(namespace)
            live = self.get("Microservice", namespace, name) or {}
            found = self.conditions(namespace, name).get("Ready", {})
            current = found.get("observedGeneration") == live.get("metadata", {}).get("generation")
            return found if found.get("status") == "True" and current else None

        return until(look, lambda: f"{namespace}/{name} is ready; it says {self.conditions(namespace, name)}")

    def says(self, namespace: str, name: str, kind: str, reason: str) -> Object:
        """Wait until a condition gives this reason."""

        def look() -> Object | None:
            found = self.conditions(namespace, name).get(kind, {})
            return found if found.get("reason") == reason else None

        return until(look, lambda: f"{kind} gives {reason}; it says {self.conditions(namespace, name).get(kind)}")


def _is_owned(live: Object) -> bool:
    labels = live["metadata"].get("labels", {})
    is_probe = labels.get("freehold.dev/capability") == "verification"
    return labels.get("app.kubernetes.io/managed-by") == "freehold" and not is_probe


def _answers(live: Object) -> bool:
    """Whether it is a Job whose pod has something to say as it ends: a contract's reader, or a switch."""
    labels = live["spec"].get("template", {}).get("metadata", {}).get("labels", {})
    component, role = (labels.get(key) for key in ("app.kubernetes.io/component", "freehold.dev/role"))
    return live["kind"] == "Job" and (component == "contract" or role == "switchover")


def _message(text: str) -> str:
    """The sentence of a Status object, or the text that was sent instead of one."""
    try:
        return str(json.loads(text)["message"])
    except ValueError:
        return text


def until(look: Callable[[], T | None], what: str | Callable[[], str], seconds: float = PATIENCE_SECONDS) -> T:
    """Look again and again until there is something to see."""
    deadline = time.monotonic() + seconds
    while True:
        if seen := look():
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"within {seconds:.0f} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.05)


def running(live: Object) -> Object:
    """What the cluster's controllers would say of an object that is well."""
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
    """The address and the certificates of the one context of a kubeconfig."""
    whole: Any = yaml.safe_load(kubeconfig.read_text())
    cluster, user = whole["clusters"][0]["cluster"], whole["users"][0]["user"]
    decoded = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=decoded)
    with tempfile.NamedTemporaryFile() as pem:
        pem.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
        pem.flush()
        context.load_cert_chain(pem.name)
    return cluster["server"], context
