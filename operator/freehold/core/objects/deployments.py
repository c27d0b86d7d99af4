"""The live Deployment of a service."""

from __future__ import annotations

from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Ref
from freehold.core.objects import meta


def serving(case: Case) -> bool:
    """Return whether a pod of the service currently serves."""
    live = case.observed.objects.get(Ref("Deployment", case.name), {})
    return bool(live.get("status", {}).get("availableReplicas"))


def serving_image(case: Case) -> str | None:
    """Return the image of the live Deployment; None without a Deployment."""
    live = case.observed.objects.get(Ref("Deployment", case.name))
    return (image_of(live) or None) if live else None


def image_of(deployment: Object) -> str:
    """Return the image that Freehold declared in a Deployment; admission may have written another into the template.

    Empty for a Deployment without the declaration and without the service's container.
    """
    if declared := deployment["metadata"].get("annotations", {}).get(meta.IMAGE):
        return str(declared)
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return str(next((container["image"] for container in containers if container["name"] == meta.SERVICE), ""))
