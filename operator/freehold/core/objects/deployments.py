"""Deployments: what the live one of a service serves."""

from __future__ import annotations

from freehold.core.model.resources import Object, Observed, Ref, Service


def serving(service: Service, observed: Observed) -> bool:
    """Whether a pod of the service serves at this moment."""
    live = observed.objects.get(Ref("Deployment", service.name), {})
    return bool(live.get("status", {}).get("availableReplicas"))


def serving_image(service: Service, observed: Observed) -> str | None:
    """The image that the service's pods are to run at this moment; None before there are any."""
    live = observed.objects.get(Ref("Deployment", service.name))
    return image_of(live) if live else None


def image_of(deployment: Object) -> str:
    """The service's image in its Deployment."""
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])
