"""Probe Jobs: pods that attempt connections from a service's position.

A probe has the service's labels, hence the same network policies, and runs with the service's account on a node of the
service's pods. A probe has no credentials, listens on no port and is never Ready, hence never an endpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from freehold.core import engines
from freehold.core.database import readiness
from freehold.core.model.case import Case
from freehold.core.model.resources import Key, Object, Service
from freehold.core.objects import jobs, meta, names, pods
from freehold.core.peers import consent

SAMPLE = 100
"""The maximum number of ports declared closed that a probe tries, however many services exist."""
MOST_DIFFERENCES = 64
"""The most differences in the status."""
CONTAINER = "probe"
DEADLINE_SECONDS = 120
SPARE_SECONDS = 10
"""Later deadline of the Job: the kubelet ends the pod first, since a Job's deadline deletes the pod and the cause."""
NEVER_READY = "freehold.dev/never-ready"
"""A readiness gate that is never met and so keeps a probe out of the endpoints (kubernetes.io, 'Pod readiness')."""
RESOURCES: Object = {"requests": {"cpu": "10m", "memory": "24Mi"}, "limits": {"cpu": "500m", "memory": "64Mi"}}
"""With a limit of each, since a quota of limits refuses pods without."""


class Answer(BaseModel):
    """The answer of a probe (agents/connectivity_probe.py): the number of tried ports, and those that differ."""

    tried: int = Field(ge=0, le=10_000)
    differences: list[tuple[Annotated[str, Field(max_length=300)], Literal["Open", "Closed"]]]


def job(case: Case, name: str, capability: str) -> Object:
    """Return the Job of a probe, which runs once and ends."""
    container = pods.container(
        CONTAINER,
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
        activeDeadlineSeconds=DEADLINE_SECONDS,
        terminationGracePeriodSeconds=1,
        readinessGates=[{"conditionType": NEVER_READY}],
        affinity=_beside(case.service),
        containers=[container],
    )
    spec = {"backoffLimit": 0, "activeDeadlineSeconds": DEADLINE_SECONDS + SPARE_SECONDS, "template": template}
    labels = meta.labels(case.service, meta.SERVICE, capability)
    return meta.build(case.service, "batch/v1", "Job", name, labels, spec=spec)


def _arguments(case: Case, salt: str) -> Iterator[str]:
    for address, ready in sorted(_open_ports(case).items()):
        if ready:  # a refused connection to a port without a listener tells nothing about policies
            yield f"--open={address}"
    for address in _closed_ports(case, salt):
        yield f"--closed={address}"


def _open_ports(case: Case) -> dict[str, bool]:
    """Return the ports declared open to the service, each with whether the listener is known to be ready."""
    ports: dict[str, bool] = {}
    if case.spec.database:
        host = names.host(names.database(case.name), case.namespace)
        ports[f"{host}:{engines.of(case.spec.database).port}"] = readiness.database_ready(case)
    for consumed in case.spec.consumes:
        if consent.refusal(case, consumed) is None:
            port = consent.provider_port(case, consumed)
            for provider in consent.provider_locations(case, consumed):
                # Not tried in a remote cluster, whose network policies do not know the probe's address yet.
                remote = provider in case.observed.remote_targets
                ports[names.endpoint(provider, port)] = case.observed.peers[provider].ready and not remote
    return ports


def _closed_ports(case: Case, salt: str) -> list[str]:
    """Return a random sample of known services' ports that are declared closed, depending on `salt`."""
    opened, ports = _open_ports(case), case.observed.addresses
    others = (port for key, listed in ports.items() for port in listed if _is_known(case, key) and port not in opened)
    return sorted(sorted(others, key=lambda address: meta.digest(salt, address))[:SAMPLE])


def _is_known(case: Case, key: Key) -> bool:
    """Return whether the owner may know another service: in the same namespace, declared as a provider, or a consumer.

    Everyone who may read Jobs in the namespace reads the probe's arguments.
    """
    declared = {consent.provider_key(case.service, consumed) for consumed in case.spec.consumes}
    near = key.namespace == case.namespace or key in declared or key in consent.consumers(case)
    return near and key != case.key


def _beside(service: Service) -> Object:
    """Return the affinity to a node of the service's pods."""
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": meta.serving(service.name)}
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def result(case: Case, job: str) -> dict[str, Any] | None:
    """Return verifiedAt, pairs and differences of an ended probe, as in status.isolation; None without a result."""
    for pod in jobs.pods_of(case.observed, job, CONTAINER):
        for status in pod["status"]["containerStatuses"]:
            if answer := _answer(status):
                listed = answer.differences[:MOST_DIFFERENCES]
                differences = [_difference(case.service, address, found) for address, found in listed]
                verified_at = status["state"]["terminated"]["finishedAt"]
                return {"verifiedAt": verified_at, "pairs": answer.tried, "differences": differences}
    return None


def _answer(status: Object) -> Answer | None:
    """Return the answer of an ended probe; None for any other termination message."""
    try:
        return Answer.model_validate(jobs.termination_message(status))
    except ValidationError:
        return None


def _difference(service: Service, address: str, found: str) -> dict[str, str]:
    declared = "Closed" if found == "Open" else "Open"
    return {"from": str(service.key), "to": address, "declared": declared, "found": found}
