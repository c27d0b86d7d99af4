"""The very same objects that the operator makes, for a script to apply without it.

They come from the operator's own core, which is asked again and again what it wants, of a world in which everything
it wanted before exists and is ready.
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
from freehold.core.objects import meta
from freehold.core.reconcile import reconcile
from freehold.kube import certificate_authority, observation

IMAGE = "localhost/freehold/postgres:{version}"
LAST = ("Job", "Deployment")
"""What is not applied with all the rest, but each when the stage before it is done."""


def stages(live: dict[str, Any]) -> list[list[Object]]:
    """The objects of a Microservice by the stages they need: the database and all around it, migrations, pods."""
    service = _service(live)
    wanted = [_without_owner(body) for body in settled(service, _world(service)).values()]
    first = [body for body in wanted if body["kind"] not in LAST]
    # As the operator writes them: what pods stand on before what starts them.
    first.sort(key=lambda body: body["kind"] == "StatefulSet")
    return [first, *([body for body in wanted if body["kind"] == kind] for kind in LAST)]


def write(folder: Path, live: dict[str, Any]) -> list[Path]:
    """The same as a file for each stage."""
    files = [folder / f"{live['metadata']['namespace']}-{number}.yaml" for number in (1, 2, 3)]
    for file, objects in zip(files, stages(live), strict=True):
        file.write_text(yaml.safe_dump_all(objects, sort_keys=False))
    return files


def _service(live: dict[str, Any]) -> Service:
    metadata = {**live["metadata"], "uid": "simulated", "generation": 1}
    return observation.parse({**live, "metadata": metadata})


def settled(service: Service, seen: Observed) -> dict[Ref, Object]:
    """All that is wanted of a service once everything wanted before exists and is ready. seen: the world around it."""
    wanted: dict[Ref, Object] = {}
    while True:
        observed = replace(seen, objects=done(wanted))
        bodies = [body for plan in reconcile(Case(service, observed)) for body in plan.objects if not _is_asking(body)]
        found = {Ref(body["kind"], body["metadata"]["name"]): body for body in bodies}
        if found == wanted:
            return wanted
        wanted = found


def _is_asking(body: Object) -> bool:
    """Whether it is made to ask an image what it offers, or holds the answer: no script does that."""
    return bool(body["metadata"]["labels"].get(meta.COMPONENT) == meta.CONTRACT)


def _world(service: Service) -> Observed:
    """Nobody else's services, a storage class to claim from, and an authority that signs."""
    now = datetime.now(UTC)
    signer = certificate_authority.CertificateAuthority(certificate_authority.generate(now))
    roles = engines.of(service.spec.database).roles if service.spec.database else ()
    seen = Observed(
        now=now,
        platform=Platform(postgresql_image=IMAGE),
        storage_classes=(StorageClass("standard", default=True),),
        passwords={role: secrets.token_urlsafe(24) for role in roles},
        authority=signer.public,
    )
    asked = certificates.requests(Case(service, seen))
    return replace(seen, certificates={request.secret: signer.issue(request, now) for request in asked})


def _without_owner(body: Object) -> Object:
    """Nothing owns what a script applies; with an owner that does not exist it would be collected as garbage."""
    metadata = {key: value for key, value in body["metadata"].items() if key != "ownerReferences"}
    return {**body, "metadata": metadata}


def done(wanted: dict[Ref, Object]) -> dict[Ref, Object]:
    """The objects as the cluster shows them once they are ready."""
    return {ref: _done(body) for ref, body in wanted.items()}


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
