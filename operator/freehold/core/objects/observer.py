"""The connection observer, a container beside each container of a service in audit mode."""

from __future__ import annotations

from freehold.api.v1alpha1.microservice import IsolationMode
from freehold.core.model.case import Case
from freehold.core.model.resources import Object, Service
from freehold.core.objects import pods

RESOURCES: Object = {"requests": {"cpu": "5m", "memory": "24Mi"}, "limits": {"memory": "64Mi"}}


def is_audited(service: Service) -> bool:
    """Whether no wall stands around the service."""
    return service.spec.isolation is IsolationMode.AUDIT


def containers(case: Case) -> list[Object]:
    """The container that goes beside those of a pod, where isolation is Audit."""
    if not is_audited(case.service) or not case.observed.platform.operator_image:
        return []
    command = ["python3", "-m", "freehold.agents.connection_observer"]
    return [pods.container("observer", case.observed.platform.operator_image, None, RESOURCES, command=command)]
