"""Pods of a Job: only those of the Job's controller with the programs of the Job's template."""

from __future__ import annotations

from dataclasses import replace

import pytest
from freehold.core.contracts import reader_job
from freehold.core.model.resources import Object, Ref
from freehold.core.objects import deployments, jobs, observer
from freehold.core.relocation import workloads
from freehold.core.verification import probe_job

from tests.unit.core.worlds import observed, pod_of, with_uid

PROGRAM: Object = {"name": "probe", "image": "registry.example/operator:1", "command": ["python3", "-m", "probe"]}
JOB = with_uid(
    {
        "kind": "Job",
        "metadata": {"name": "users-probe-1"},
        "spec": {"template": {"metadata": {"labels": {"app.kubernetes.io/component": "service"}}, "spec": {}}},
    }
)
JOB["spec"]["template"]["spec"] = {"initContainers": [{"name": "service", "image": "users:1"}], "containers": [PROGRAM]}
GENUINE = pod_of(JOB)
OWNER: Object = GENUINE["metadata"]["ownerReferences"][0]
INJECTED: Object = {"name": "mesh", "image": "mesh:1"}


def with_containers(*containers: Object, **metadata: object) -> Object:
    """Return the Job's pod with other containers or metadata."""
    return {"metadata": {**GENUINE["metadata"], **metadata}, "spec": {**GENUINE["spec"], "containers": [*containers]}}


@pytest.mark.parametrize(
    ("says", "live", "counts"),
    [
        ("the pod of the Job's controller", GENUINE, True),
        ("a pod with an injected container", with_containers(PROGRAM, INJECTED), True),
        ("a label alone", with_containers(PROGRAM, ownerReferences=[]), False),
        ("another Job's uid", with_containers(PROGRAM, ownerReferences=[{**OWNER, "uid": "another"}]), False),
        ("no controller", with_containers(PROGRAM, ownerReferences=[{**OWNER, "controller": False}]), False),
        ("another image", with_containers({**PROGRAM, "image": "evil.example/operator:1"}), False),
        ("another command", with_containers({**PROGRAM, "command": ["echo", "{}"]}), False),
        ("arguments", with_containers({**PROGRAM, "args": ["-c", "print({})"]}), False),
        ("another container alone", with_containers(INJECTED), False),
        ("another image of the service", {**GENUINE, "spec": {"containers": [PROGRAM], "initContainers": []}}, False),
    ],
)
def test_pods_of_a_job(says: str, live: Object, counts: bool) -> None:
    """A Job's results come from pods of its controller that run its programs, whatever a label says."""
    seen = replace(observed(), objects={Ref("Job", "users-probe-1"): JOB}, pods=(live,))
    found = [pod["metadata"] for pod in jobs.pods_of(seen, "users-probe-1", "probe")]
    assert found == ([live["metadata"]] if counts else []), says
    assert jobs.pods_of(replace(seen, objects={}), "users-probe-1") == []


def test_statuses_of_own_containers() -> None:
    """Only the statuses of the containers that were asked for are read."""
    own, injected = {"name": "probe"}, {"name": "mesh"}
    live = {**GENUINE, "status": {"phase": "Running", "containerStatuses": [injected, own]}}
    seen = replace(observed(), objects={Ref("Job", "users-probe-1"): JOB}, pods=(live,))
    (found,) = jobs.pods_of(seen, "users-probe-1", "probe")
    assert found["status"] == {"phase": "Running", "containerStatuses": [own]}


def test_image_of_the_service() -> None:
    """The image of a Deployment is that of the service's container, wherever others put theirs."""
    containers = [{"name": "mesh", "image": "mesh:1"}, {"name": "service", "image": "users:1"}]
    live = {"metadata": {}, "spec": {"template": {"spec": {"containers": containers}}}}
    assert deployments.image_of(live) == "users:1"


@pytest.mark.parametrize(
    "resources", [probe_job.RESOURCES, reader_job.RESOURCES, workloads.RESOURCES, observer.RESOURCES]
)
def test_limits_of_helper_containers(resources: Object) -> None:
    """A quota that counts requests or limits admits the containers that a service's owner does not declare."""
    assert {part: {*amounts} for part, amounts in resources.items()} == {
        "requests": {"cpu", "memory"},
        "limits": {"cpu", "memory"},
    }
