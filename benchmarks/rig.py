"""A simulated cluster with the operator beside it: a real control plane, with nodes and pods that only pretend (kwok).

Everything the operator talks to is real: API server, controllers, scheduler. Pods take about as long to become ready
as real ones, and Jobs to complete, but nothing runs in them, so that a hundred services fit on a small machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hack.stage import grant
from localcluster import audit
from localcluster.apiserver import ApiServer

from . import process
from .kubectl import Kubectl

NODES = 4
STAGES = Path(__file__).with_name("stages")
ROOT = Path(__file__).parents[1]
INSTALL = ROOT / "manifests" / "install" / "freehold.yaml"
EXAMPLE = ROOT / "manifests" / "examples" / "shop" / "users.yaml"
ACCOUNT = ("freehold-system", "freehold")
"""The operator's ServiceAccount as it is installed; the audit log tells its writes apart by it."""


@dataclass(frozen=True)
class Rig:
    """A simulated cluster that runs, with Freehold installed but for the operator's pod."""

    kubectl: Kubectl
    operator_kubeconfig: Path
    audit_log: audit.Log
    logs: Path

    def namespaces(self, *names: str) -> None:
        """Make namespaces in which the operator may keep Secrets."""
        made = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]
        self.kubectl.apply(*made, *map(grant, names))

    @contextmanager
    def operator(self, log: str = "operator") -> Iterator[process.Operator]:
        """The operator as a process of this machine, with exactly the rights it is installed with."""
        with process.operator(self.operator_kubeconfig, self.logs / f"{log}.log") as started:
            yield started


@contextmanager
def simulated_cluster(services: int) -> Iterator[Rig]:
    """A cluster with room for so many services, for the time of a `with`; it leaves nothing behind."""
    with ApiServer(nodes=NODES, volumes=services, stages=STAGES, audit=True) as api:
        kubectl = Kubectl(api.kubeconfig)
        documents = yaml.safe_load_all(INSTALL.read_text())
        kubectl.apply(*(document for document in documents if document["kind"] != "Deployment"))
        kubectl("wait", "--for=condition=Established", "crd/microservices.freehold.dev", "--timeout=30s")
        log = audit.Log(api.audit_log, f"system:serviceaccount:{ACCOUNT[0]}:{ACCOUNT[1]}")
        yield Rig(kubectl, _operator_kubeconfig(kubectl), log, api.logs)


def _operator_kubeconfig(kubectl: Kubectl) -> Path:
    """The administrator's kubeconfig with the operator's token in place of the administrator's certificate."""
    namespace, account = ACCOUNT
    token = kubectl("create", "token", account, "-n", namespace, "--duration=8h").strip()
    known = json.loads(kubectl("config", "view", "--raw", "-o", "json"))
    known["users"] = [{"name": entry["name"], "user": {"token": token}} for entry in known["users"]]
    target = kubectl.kubeconfig.with_name("operator.kubeconfig")
    target.touch(mode=0o600)
    target.write_text(json.dumps(known))
    return target


def microservice(namespace: str, name: str) -> dict[str, Any]:
    """The example that is measured, a service with a database and migrations, under another name."""
    live: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    live["metadata"] = {"name": name, "namespace": namespace}
    return live
