"""Where a service stands on its way from a resource to running pods, read off what is observed and never remembered.

A later capability asks here whether an earlier one is done; capabilities do not ask each other.
"""

from __future__ import annotations

from freehold.core import jobs, meta, names, published, seats
from freehold.core.model import Observed, Ref, Service
from freehold.core.seat import data_on


def secrets_not_granted(service: Service, observed: Observed) -> str:
    """What to say where Freehold may keep no Secrets, and the way out."""
    platform, namespace = observed.platform, service.namespace
    command = (
        f"kubectl create rolebinding freehold --namespace {namespace} "
        f"--clusterrole={platform.secrets_role} --serviceaccount={platform.account}"
    )
    return f"Freehold may not keep Secrets in namespace {namespace}; whoever administers it can let it: {command}"


def database_ready(service: Service, observed: Observed) -> bool:
    """Whether the service can reach the server that owns the data, and it serves."""
    now, door = seats.owner(service, observed), seats.door(service, observed) or {}
    reached = not now.abroad or bool(door.get("status", {}).get("readyReplicas"))
    return seats.serves(now) and reached and not seats.gone_to(service, observed)


def migrations_job(service: Service, observed: Observed) -> str | None:
    """The Job for this image, command and resources on this very volume; None without a volume or anything to migrate.

    Resources count because a Job's cannot be changed, and one that ran out of memory must get its next chance.
    """
    database = service.spec.database
    claim = seats.owner(service, observed).claim
    if database is None or database.migrations is None or claim is None:
        return None
    resources = [service.spec.resources.model_dump(exclude_defaults=True)] if service.spec.resources else []
    content = meta.digest(service.spec.image, database.migrations.command, data_on(claim), *resources)
    return names.migrations_job(service.name, content)


def migrated(service: Service, observed: Observed) -> bool:
    """Whether new pods may start: the schema they need is in, or they need none."""
    database = service.spec.database
    if database is None or database.migrations is None:
        return True
    job = migrations_job(service, observed)
    return job is not None and jobs.finished(observed.objects.get(Ref("Job", job)), "Complete")


def serving(service: Service, observed: Observed) -> bool:
    """Whether a pod of the service serves at this moment."""
    live = observed.objects.get(Ref("Deployment", service.name), {})
    return bool(live.get("status", {}).get("availableReplicas"))


def serving_image(service: Service, observed: Observed) -> str | None:
    """The image that the service's pods are to run at this moment; None before there are any."""
    live = observed.objects.get(Ref("Deployment", service.name))
    return published.image_of(live) if live else None
