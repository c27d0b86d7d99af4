"""What one service costs the API server: writes until it is Ready, and while nothing happens."""

from __future__ import annotations

import time
from collections import Counter

from .figures import Figure, Outcome
from .kubectl import Kubectl
from .rig import Rig, microservice

NAMESPACE = "writes"
SPARE = 3
"""Writes that make nothing: status, as the service begins, is under way, and is Ready."""
PROBE = "-probe-"
ASKING = ("-contract-", ".contract")
"""In the names of what is made to ask its image what it offers: no script does that, so it is counted by itself."""
PUBLISHING = 5
"""Writes for that: a Job and the wall around it, made and removed, and the answer; the status says it with others."""
GONE = 404
PROVING = 3
"""Writes to try its walls once: the probe is made and removed, and the status says what was found."""
READY_SECONDS = 120
QUIET_SECONDS = 10.0
"""After Ready, so that a late write still counts."""


def until_ready(rig: Rig) -> Outcome:
    """The operator's writes for one service, from nothing to Ready; the operator must run."""
    rig.namespaces(NAMESPACE)
    rig.audit_log.skip()
    started = time.monotonic()
    rig.kubectl.apply(microservice(NAMESPACE, "users"))
    rig.kubectl.wait_ready("-n", NAMESPACE, "users", seconds=READY_SECONDS)
    took = time.monotonic() - started
    time.sleep(QUIET_SECONDS)
    log = [write for write in rig.audit_log.writes() if write.namespace == NAMESPACE]
    asking = [write for write in log if any(word in write.name for word in ASKING)]
    everything = [write for write in log if write not in asking]
    # Once it is Ready its walls are tried; that begins with the probe.
    begun = next((n for n, write in enumerate(everything) if PROBE in write.name), len(everything))
    done, proving = everything[:begun], everything[begun:]
    made, found = sum(write.made for write in done), _objects(rig.kubectl)
    kinds = Counter(write.resource for write in done if not write.made)
    others = ", ".join(f"{count} {resource}" for resource, count in sorted(kinds.items()))
    figures = (
        Figure("objects made for one service", made, note=f"{found} found, events included"),
        Figure("API writes until Ready", len(done), "", found + SPARE, f"{others} besides; Ready after {took:.1f} s"),
        Figure(
            "API writes to publish its contract",
            # A wall may be asked twice to go before its going is seen; what finds nothing writes nothing.
            sum(write.status != GONE for write in asking),
            "",
            PUBLISHING,
            "reader and wall made and removed, contract",
        ),
        Figure("API writes to prove its isolation", len(proving), "", PROVING, "probe made and removed, status"),
    )
    return Outcome("writes", figures, {"writes": [str(write) for write in log], "seconds": took})


def while_idle(rig: Rig, seconds: float, services: int) -> Outcome:
    """The operator's writes while nothing happens; all services must be Ready."""
    rig.audit_log.skip()
    time.sleep(seconds)
    done = rig.audit_log.writes()
    name = f"API writes in {seconds / 60:.0f} idle minutes" if seconds >= 60 else f"API writes in {seconds:.0f} idle s"
    figure = Figure(name, len(done), "", 0, f"{services} services")
    return Outcome("idle", (figure,), {"seconds": seconds, "writes": [str(write) for write in done]})


def _objects(kubectl: Kubectl) -> int:
    """What exists that the operator made, counted by labels and reporter and not by the log; but for its contract."""
    kinds = "serviceaccounts,secrets,configmaps,pvc,netpol,services,pdb,statefulsets,jobs,deployments"
    owned = kubectl.items(
        kinds, "-n", NAMESPACE, "-l", "app.kubernetes.io/managed-by=freehold,app.kubernetes.io/component!=contract"
    )
    said = kubectl.items("events.events.k8s.io", "-n", NAMESPACE)
    return len(owned) + sum(1 for event in said if event.get("reportingController") == "freehold.dev/operator")
