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
    return image_of(live) if live else None


def image_of(deployment: Object) -> str:
    """Return the image that Freehold declared in a Deployment; admission may have written another into the template."""
    declared = deployment["metadata"].get("annotations", {}).get(meta.IMAGE)
    return str(declared or deployment["spec"]["template"]["spec"]["containers"][0]["image"])
