"""Whether the migrations of the wanted image were applied to the volume in use."""

from __future__ import annotations

from freehold.core.database import topology
from freehold.core.database.instance import dataset_of
from freehold.core.model.case import Case, fact
from freehold.core.model.resources import Ref
from freehold.core.objects import jobs, meta, names


@fact
def migrations_job(case: Case) -> str | None:
    """The Job for this image, command and resources on this very volume; None without a volume or anything to migrate.

    Resources count because a Job's cannot be changed, and one that ran out of memory must get its next chance.
    """
    database = case.spec.database
    claim = topology.primary(case).claim
    if database is None or database.migrations is None or claim is None:
        return None
    resources = [case.spec.resources.model_dump(exclude_defaults=True)] if case.spec.resources else []
    content = meta.digest(case.spec.image, database.migrations.command, dataset_of(claim), *resources)
    return names.migrations_job(case.name, content)


@fact
def migrated(case: Case) -> bool:
    """Whether new pods may start: the schema they need is in, or they need none."""
    database = case.spec.database
    if database is None or database.migrations is None:
        return True
    job = migrations_job(case)
    return job is not None and jobs.finished(case.observed.objects.get(Ref("Job", job)), "Complete")
