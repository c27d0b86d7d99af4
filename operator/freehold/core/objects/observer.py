"""The connection observer, a container in each pod of a service in audit mode."""

from __future__ import annotations

from freehold.api.v1alpha1.microservice import IsolationMode
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Service
from freehold.core.objects import pods

RESOURCES: Object = {"requests": {"cpu": "5m", "memory": "24Mi"}, "limits": {"cpu": "500m", "memory": "64Mi"}}


def is_audited(service: Service) -> bool:
    """Return whether the service is in audit mode and has no network policies."""
    return service.spec.isolation is IsolationMode.AUDIT


def containers(case: Case) -> list[Object]:
    """Return the observer container of a pod in audit mode; none otherwise."""
    if not is_audited(case.service) or not case.observed.platform.operator_image:
        return []
    command = ["python3", "-m", "freehold.agents.connection_observer"]
    return [pods.container("observer", case.observed.platform.operator_image, None, RESOURCES, command=command)]
