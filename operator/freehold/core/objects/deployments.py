"""Deployments: what the live one of a service serves."""

from __future__ import annotations

from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Ref


def serving(case: Case) -> bool:
    """Whether a pod of the service serves at this moment."""
    live = case.observed.objects.get(Ref("Deployment", case.name), {})
    return bool(live.get("status", {}).get("availableReplicas"))


def serving_image(case: Case) -> str | None:
    """The image that the service's pods are to run at this moment; None before there are any."""
    live = case.observed.objects.get(Ref("Deployment", case.name))
    return image_of(live) if live else None


def image_of(deployment: Object) -> str:
    """The service's image in its Deployment."""
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])
