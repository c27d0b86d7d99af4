"""Probes: pods that stand where a service stands, and try whom it reaches.

A probe wears the service's labels, so that it is behind the very same policies, and runs under its account on a node of
its pods. It holds no credentials, opens nothing by being there, and is never Ready, so that nobody calls it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from freehold.core import engines
from freehold.core.database import readiness
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Service
from freehold.core.objects import meta, names, pods
from freehold.core.peers import consent

SAMPLE = 100
"""Doors tried at once that are declared shut, so that a probe stays small however many services there are."""
NEVER_READY = "freehold.dev/never-ready"
"""A readiness gate that nobody opens keeps a probe out of the endpoints (kubernetes.io, 'Pod readiness')."""
RESOURCES: Object = {"requests": {"cpu": "10m", "memory": "24Mi"}, "limits": {"memory": "64Mi"}}


def job(case: Case, name: str, capability: str) -> Object:
    """The Job of one probe; it runs once and ends by itself."""
    container = pods.container(
        "probe",
        case.observed.platform.operator_image,
        None,
        RESOURCES,
        command=["python3", "-m", "freehold.agents.connectivity_probe", *_arguments(case, name)],
    )
    template = pods.template(
        {**meta.pod_labels(case.service, meta.SERVICE), meta.PROBE: "true"},
        {},
        serviceAccountName=case.name,
        restartPolicy="Never",
        terminationGracePeriodSeconds=1,
        readinessGates=[{"conditionType": NEVER_READY}],
        affinity=_beside(case.service),
        containers=[container],
    )
    spec = {"backoffLimit": 0, "activeDeadlineSeconds": 120, "template": template}
    labels = meta.labels(case.service, meta.SERVICE, capability)
    return meta.build(case.service, "batch/v1", "Job", name, labels, spec=spec)


def _arguments(case: Case, salt: str) -> Iterator[str]:
    for address, answers in sorted(_open(case).items()):
        if answers:  # a door nobody stands behind says nothing of the wall around it
            yield f"--open={address}"
    for address in _shut(case, salt):
        yield f"--closed={address}"


def _open(case: Case) -> dict[str, bool]:
    """The doors that are declared open to the service, and whether somebody is known to stand behind each."""
    ways: dict[str, bool] = {}
    if case.spec.database:
        host = names.host(names.database(case.name), case.namespace)
        ways[f"{host}:{engines.of(case.spec.database).port}"] = readiness.database_ready(case)
    for consumed in case.spec.consumes:
        if consent.refusal(case, consumed) is None:
            port = consent.provider_port(case, consumed)
            for provider in consent.provider_locations(case, consumed):
                # Its own cluster's probe tries those of another; here one would come before the wall there knows of it.
                ways[names.endpoint(provider, port)] = (
                    case.observed.peers[provider].ready and provider not in case.observed.remote_targets
                )
    return ways


def _shut(case: Case, salt: str) -> list[str]:
    """A fair sample of all other doors, another one each time; its own it does not need to open."""
    opened = _open(case)
    others = (a for key, doors in case.observed.addresses.items() for a in doors if key != case.key and a not in opened)
    return sorted(sorted(others, key=lambda address: meta.digest(salt, address))[:SAMPLE])


def _beside(service: Service) -> Object:
    """On a node where the service stands."""
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": meta.serving(service.name)}
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def result(case: Case, job: str) -> dict[str, Any] | None:
    """What a probe said as it ended: verifiedAt, pairs tried, and the differences, as the status shows them."""
    for pod in pods.of_job(case.observed, job):
        for status in pod.get("status", {}).get("containerStatuses", []):
            said = pods.last_words(status)
            if said and {"tried", "differences"} <= said.keys():
                wrong = [_difference(case.service, address, found) for address, found in said["differences"]]
                return {
                    "verifiedAt": status["state"]["terminated"]["finishedAt"],
                    "pairs": said["tried"],
                    "differences": wrong,
                }
    return None


def _difference(service: Service, address: str, found: str) -> dict[str, str]:
    declared = "Closed" if found == "Open" else "Open"
    return {"from": str(service.key), "to": address, "declared": declared, "found": found}
