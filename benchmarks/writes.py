"""Writes to the API server: for a service until Ready, and while idle."""

from __future__ import annotations

import time
from collections import Counter

from .figures import Figure, Outcome
from .kubectl import Kubectl
from .rig import Rig, microservice

NAMESPACE = "writes"
STATUS_WRITES = 3
"""Writes of the status: at the start, in progress and Ready."""
RECORD_WRITES = 1
"""The write of the record that the volume holds data, once the server is ready."""
PROBE = "-probe-"
CONTRACT = ("-contract-", ".contract")
"""Parts of the names of objects for the image's contract, which are counted separately: no script creates them."""
CONTRACT_WRITES = 5
"""Writes for the contract: a Job and its network policy, created and removed, and the contract."""
NOT_FOUND = 404
VERIFICATION_WRITES = 3
"""Writes to verify the isolation once: the probe is created and removed, and the result is written to the status."""
READY_SECONDS = 120
QUIET_SECONDS = 10.0
"""The wait after Ready, to count late writes too."""


def until_ready(rig: Rig) -> Outcome:
    """Count the operator's writes for a new service until Ready; the operator must be running."""
    rig.namespaces(NAMESPACE)
    rig.audit_log.skip()
    started = time.monotonic()
    rig.kubectl.apply(microservice(NAMESPACE, "users"))
    rig.kubectl.wait_ready("-n", NAMESPACE, "users", seconds=READY_SECONDS)
    took = time.monotonic() - started
    time.sleep(QUIET_SECONDS)
    log = [write for write in rig.audit_log.writes() if write.namespace == NAMESPACE]
    contract = [write for write in log if any(word in write.name for word in CONTRACT)]
    others = [write for write in log if write not in contract]
    # The verification of the isolation follows Ready and begins with the probe.
    first = next((n for n, write in enumerate(others) if PROBE in write.name), len(others))
    initial, verification = others[:first], others[first:]
    created, counted = sum(write.made for write in initial), _objects(rig.kubectl)
    kinds = Counter(write.resource for write in initial if not write.made)
    updates = ", ".join(f"{count} {resource}" for resource, count in sorted(kinds.items()))
    note = f"with {updates}; Ready after {took:.1f} s"
    probe = "probe created and removed, status"
    figures = (
        Figure("objects created for a service", created, note=f"{counted} counted, including events"),
        Figure("API writes until Ready", len(initial), "", counted + STATUS_WRITES + RECORD_WRITES, note),
        Figure(
            "API writes to publish the contract",
            # A network policy may be deleted twice before the deletion is observed; the second request writes nothing.
            sum(write.status != NOT_FOUND for write in contract),
            "",
            CONTRACT_WRITES,
            "reader and policy created and removed, contract",
        ),
        Figure("API writes to verify isolation", len(verification), "", VERIFICATION_WRITES, probe),
    )
    return Outcome("writes", figures, {"writes": [str(write) for write in log], "seconds": took})


def while_idle(rig: Rig, seconds: float, services: int) -> Outcome:
    """Count the operator's writes while idle; all services must be Ready."""
    rig.audit_log.skip()
    time.sleep(seconds)
    idle_writes = rig.audit_log.writes()
    name = f"API writes in {seconds / 60:.0f} idle minutes" if seconds >= 60 else f"API writes in {seconds:.0f} idle s"
    figure = Figure(name, len(idle_writes), "", 0, f"{services} services")
    return Outcome("idle", (figure,), {"seconds": seconds, "writes": [str(write) for write in idle_writes]})


def _objects(kubectl: Kubectl) -> int:
    """Count the operator's objects and events by labels and reporter, without the contract's objects."""
    kinds = "serviceaccounts,secrets,configmaps,pvc,netpol,services,pdb,statefulsets,jobs,deployments"
    owned = kubectl.items(
        kinds, "-n", NAMESPACE, "-l", "app.kubernetes.io/managed-by=freehold,app.kubernetes.io/component!=contract"
    )
    events = kubectl.items("events.events.k8s.io", "-n", NAMESPACE)
    return len(owned) + sum(1 for event in events if event.get("reportingController") == "freehold.dev/operator")
