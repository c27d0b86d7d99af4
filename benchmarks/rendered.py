"""The objects of the operator for a Microservice, for a script without the operator.

The operator's core plans the objects repeatedly: in each step, all objects planned before exist and are ready.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from freehold.core import certificates, engines
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Observed, Platform, Ref, Service, StorageClass
from freehold.core.objects import meta, names
from freehold.core.reconcile import reconcile
from freehold.kube import certificate_authority, observation

IMAGE = "localhost/freehold/postgres:{version}"
LAST = ("Job", "Deployment")
"""The kinds of the later stages, each applied after the end of the stage before."""


def stages(live: dict[str, Any]) -> list[list[Object]]:
    """Return the objects of a Microservice by stage: the database with all other objects, migrations, pods."""
    service = _service(live)
    wanted = [_for_a_new_volume(_without_owner(body)) for body in settled(service, _observed(service)).values()]
    first = [body for body in wanted if body["kind"] not in LAST]
    # In the operator's order: StatefulSets after the objects that their pods need.
    first.sort(key=lambda body: body["kind"] == "StatefulSet")
    return [first, *([body for body in wanted if body["kind"] == kind] for kind in LAST)]


def write(folder: Path, live: dict[str, Any]) -> list[Path]:
    """Write a file for each stage, of objects that may be created without a Microservice; return the paths."""
    files = [folder / f"{live['metadata']['namespace']}-{number}.yaml" for number in (1, 2, 3)]
    for file, objects in zip(files, stages(live), strict=True):
        file.write_text(yaml.safe_dump_all(map(_restored, objects), sort_keys=False))
    return files


def _restored(body: Object) -> Object:
    metadata = body["metadata"]
    return {**body, "metadata": {**metadata, "labels": {**metadata["labels"], meta.RESTORED: "true"}}}


def _service(live: dict[str, Any]) -> Service:
    metadata = {**live["metadata"], "uid": "simulated", "generation": 1}
    return observation.parse({**live, "metadata": metadata})


def settled(service: Service, observed: Observed) -> dict[Ref, Object]:
    """Return all planned objects of a service, once the plan no longer changes.

    observed: the cluster without objects of the service.
    """
    planned: dict[Ref, Object] = {}
    while True:
        ready = replace(observed, objects=done(planned))
        plans = reconcile(Case(service, ready))
        created = [body for plan in plans for body in plan.objects if not _is_contract(body)]
        bodies = {ref: planned[ref] for plan in plans for ref in plan.keep & planned.keys()}
        bodies |= {Ref(body["kind"], body["metadata"]["name"]): body for body in created}
        if bodies == planned:
            return planned
        planned = bodies


def _is_contract(body: Object) -> bool:
    """Whether an object belongs to reading the contract of an image, which no script does."""
    return bool(body["metadata"]["labels"].get(meta.COMPONENT) == meta.CONTRACT)


def _observed(service: Service) -> Observed:
    """Return a cluster without other services, with a default storage class and a certificate authority."""
    now = datetime.now(UTC)
    signer = certificate_authority.CertificateAuthority(certificate_authority.generate(now))
    roles = engines.of(service.spec.database).roles if service.spec.database else ()
    observed = Observed(
        now=now,
        platform=Platform(postgresql_image=IMAGE),
        storage_classes=(StorageClass("standard", default=True),),
        passwords={role: secrets.token_urlsafe(24) for role in roles},
        authority=signer.public,
    )
    requests = certificates.requests(Case(service, observed))
    return replace(observed, certificates={request.secret: signer.issue(request, now) for request in requests})


def _without_owner(body: Object) -> Object:
    """Remove the owner references: objects of an absent owner would be garbage-collected."""
    metadata = {key: value for key, value in body["metadata"].items() if key != "ownerReferences"}
    return {**body, "metadata": metadata}


def _for_a_new_volume(body: Object) -> Object:
    """Remove the record of the data from the server's ConfigMap: a recorded server does not start without data."""
    if names.RECORDED not in body.get("data", {}):
        return body
    return {**body, "data": {key: value for key, value in body["data"].items() if key != names.RECORDED}}


def done(planned: dict[Ref, Object]) -> dict[Ref, Object]:
    """Return the objects with the status of ready objects."""
    return {ref: _done(body) for ref, body in planned.items()}


def _done(body: Object) -> Object:
    status = {
        "observedGeneration": 1,
        "readyReplicas": 1,
        "availableReplicas": 1,
        "updatedReplicas": 1,
        "phase": "Bound",
        "conditions": [{"type": "Complete", "status": "True"}],
    }
    return {**body, "metadata": {**body["metadata"], "uid": "simulated", "generation": 1}, "status": status}
