"""How the cluster is, as a person asks: what runs, what does not, where to look."""

from __future__ import annotations

import json

from . import cluster
from .errors import LocalClusterError
from .paths import ClusterPaths
from .progress import line


def show(where: ClusterPaths) -> bool:
    """Prints a line for each machine and each part; answers whether all is well."""
    if not where.root.exists():
        print(f"{where.name} is not up; `python -m localcluster up` brings it up")
        return False
    found = cluster.describe(where, cluster.settings(where))
    well = True
    for machine in found.machines:
        pid = machine.running()
        well &= _show(pid is not None, machine.name, f"process {pid}" if pid else f"stopped; see {machine.root}")
    well &= _show(not where.policies_off.exists(), "netpol", cluster.policies(where))
    try:
        nodes = json.loads(found.kubectl("get", "nodes", "-o", "json", "--request-timeout=5s"))["items"]
        deployments = json.loads(found.kubectl("get", "deployments", "-A", "-o", "json"))["items"]
    except LocalClusterError as error:
        return _show(ok=False, name="api", detail=str(error).splitlines()[-1])
    well &= _show(ok=True, name="api", detail=f"https://{found.network.api_address}:{cluster.API_PORT}")
    for node in nodes:
        name, state = node["metadata"]["name"], _condition(node, "Ready")
        well &= _show(state == "True", name, f"Ready={state}")
    for one in deployments:
        if one["metadata"]["namespace"] in cluster.SYSTEM_NAMESPACES:
            ready, wanted = one["status"].get("readyReplicas", 0), one["spec"]["replicas"]
            well &= _show(ready == wanted, one["metadata"]["name"], f"{ready} of {wanted} ready")
    return well


def _show(ok: bool, name: str, detail: str) -> bool:
    print(line("✓" if ok else "✗", name, "", detail))
    return ok


def _condition(node: dict[str, dict[str, list[dict[str, str]]]], kind: str) -> str:
    conditions = node["status"].get("conditions", [])
    return next((condition["status"] for condition in conditions if condition["type"] == kind), "Unknown")
