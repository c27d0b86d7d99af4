"""Whether the migrations of the wanted image were applied to the volume in use."""

from __future__ import annotations

from freehold.core.database import topology
from freehold.core.database.instance import data_on
from freehold.core.model.resources import Observed, Ref, Service
from freehold.core.objects import jobs, meta, names


def migrations_job(service: Service, observed: Observed) -> str | None:
    """The Job for this image, command and resources on this very volume; None without a volume or anything to migrate.

    Resources count because a Job's cannot be changed, and one that ran out of memory must get its next chance.
    """
    database = service.spec.database
    claim = topology.owner(service, observed).claim
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
