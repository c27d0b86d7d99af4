"""The report of `status`: the parts of the cluster and their health."""

from __future__ import annotations

import json

from . import cluster
from .errors import LocalClusterError
from .paths import ClusterPaths
from .progress import line


def show(where: ClusterPaths) -> bool:
    """Print a line per machine and per part; return whether all are healthy."""
    if not where.root.exists():
        print(f"{where.name} is not running; start it with `python -m localcluster up`")
        return False
    found = cluster.describe(where, cluster.settings(where))
    healthy = True
    for machine in found.machines:
        pid = machine.running()
        healthy &= _show(pid is not None, machine.name, f"process {pid}" if pid else f"stopped; see {machine.root}")
    healthy &= _show(not where.policies_off.exists(), "netpol", cluster.policies(where))
    try:
        nodes = json.loads(found.kubectl("get", "nodes", "-o", "json", "--request-timeout=5s"))["items"]
        deployments = json.loads(found.kubectl("get", "deployments", "-A", "-o", "json"))["items"]
    except LocalClusterError as error:
        return _show(ok=False, name="api", detail=str(error).splitlines()[-1])
    healthy &= _show(ok=True, name="api", detail=f"https://{found.network.api_address}:{cluster.API_PORT}")
    for node in nodes:
        name, state = node["metadata"]["name"], _condition(node, "Ready")
        healthy &= _show(state == "True", name, f"Ready={state}")
    for deployment in deployments:
        if deployment["metadata"]["namespace"] in cluster.SYSTEM_NAMESPACES:
            ready, wanted = deployment["status"].get("readyReplicas", 0), deployment["spec"]["replicas"]
            healthy &= _show(ready == wanted, deployment["metadata"]["name"], f"{ready} of {wanted} ready")
    return healthy


def _show(ok: bool, name: str, detail: str) -> bool:
    print(line("✓" if ok else "✗", name, "", detail))
    return ok


def _condition(node: dict[str, dict[str, list[dict[str, str]]]], kind: str) -> str:
    conditions = node["status"].get("conditions", [])
    return next((condition["status"] for condition in conditions if condition["type"] == kind), "Unknown")
