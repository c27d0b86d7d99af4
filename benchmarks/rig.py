"""A simulated cluster and the operator as a local process: a real control plane with simulated nodes and pods (kwok).

API server, controllers and scheduler are real. Simulated pods and Jobs take about as long as real pods and Jobs to
become ready or complete, but run no processes: a hundred services fit on a small machine.
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
"""The operator's installed ServiceAccount, by which the audit log identifies the operator's writes."""


@dataclass(frozen=True)
class Rig:
    """A running simulated cluster with Freehold installed, except the operator's pod."""

    kubectl: Kubectl
    operator_kubeconfig: Path
    audit_log: audit.Log
    logs: Path

    def namespaces(self, *names: str) -> None:
        """Create namespaces with the operator's access to Secrets."""
        bodies = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]
        self.kubectl.apply(*bodies, *map(grant, names))

    @contextmanager
    def operator(self, log: str = "operator") -> Iterator[process.Operator]:
        """Run the operator as a local process, with exactly the rights of an installed operator."""
        with process.operator(self.operator_kubeconfig, self.logs / f"{log}.log") as started:
            yield started


@contextmanager
def simulated_cluster(services: int) -> Iterator[Rig]:
    """Run a cluster with volumes for this number of services; remove the cluster on exit."""
    with ApiServer(nodes=NODES, volumes=services, stages=STAGES, audit=True) as api:
        kubectl = Kubectl(api.kubeconfig)
        documents = yaml.safe_load_all(INSTALL.read_text())
        kubectl.apply(*(document for document in documents if document["kind"] != "Deployment"))
        kubectl("wait", "--for=condition=Established", "crd/microservices.freehold.dev", "--timeout=30s")
        log = audit.Log(api.audit_log, f"system:serviceaccount:{ACCOUNT[0]}:{ACCOUNT[1]}")
        yield Rig(kubectl, _operator_kubeconfig(kubectl), log, api.logs)


def _operator_kubeconfig(kubectl: Kubectl) -> Path:
    """Write a kubeconfig with the operator's token instead of the administrator's certificate; return the path."""
    namespace, account = ACCOUNT
    token = kubectl("create", "token", account, "-n", namespace, "--duration=8h").strip()
    config = json.loads(kubectl("config", "view", "--raw", "-o", "json"))
    config["users"] = [{"name": entry["name"], "user": {"token": token}} for entry in config["users"]]
    target = kubectl.kubeconfig.with_name("operator.kubeconfig")
    target.touch(mode=0o600)
    target.write_text(json.dumps(config))
    return target


def microservice(namespace: str, name: str) -> dict[str, Any]:
    """Return the measured example, a service with a database and migrations, under a given name."""
    live: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    live["metadata"] = {"name": name, "namespace": namespace}
    return live
