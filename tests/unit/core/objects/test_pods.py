"""Builders and readers of pods. The statuses are shortened statuses of a kubelet."""

from __future__ import annotations

from freehold.api.v1alpha1.database import Resources
from freehold.core.objects import pods

from tests.unit.core.objects.kubelet import container, ended, pod, waiting
from tests.unit.core.worlds import observed


def test_component_pods_without_terminating() -> None:
    """Terminating pods are not listed."""
    world = observed(pods=(pod({}), pod(waiting("ErrImagePull"), terminating=True)))
    assert pods.component_pods(world, "service") == [pod({})]
    assert pods.component_pods(world, "database") == []


def test_pod_running_and_ready() -> None:
    """A pod is running and ready as the kubelet reports."""
    running = pod({**container(state={"running": {}}), "conditions": [{"type": "Ready", "status": "True"}]})
    assert pods.running(running) == {"service"} and pods.is_ready(running)
    assert not pods.running(pod({})) and not pods.is_ready(pod({}))
    assert not pods.running(pod(container(state=ended(0))))


def test_container_disk_limit_default() -> None:
    """Declared resources without disk get the default request and limit of disk."""
    limits = {"limits": {"memory": "1Gi"}}
    bounded = pods.container("service", "users:1", Resources.model_validate(limits), {})["resources"]
    assert bounded == {
        "requests": {"ephemeral-storage": "64Mi"},
        "limits": {"memory": "1Gi", "ephemeral-storage": "1Gi"},
    }


def test_container_disk_limit_declared() -> None:
    """A declared limit of disk gets no default request."""
    declared = {"limits": {"ephemeral-storage": "32Mi"}}
    resources = Resources.model_validate(declared)
    assert pods.container("service", "users:1", resources, {})["resources"] == declared


def test_template_pod_security_context() -> None:
    """The pod's security context also covers containers added later."""
    security = pods.template({}, {}, securityContext={"fsGroup": 999})["spec"]["securityContext"]
    assert security == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, "fsGroup": 999}
