"""Pods of a Job: only those of the Job's controller with the programs of the Job's template."""

from __future__ import annotations

from dataclasses import replace

import pytest
from freehold.core.model.resources import Object, Ref
from freehold.core.objects import pods

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
    assert pods.of_job(seen, "users-probe-1") == ([live] if counts else []), says
    assert pods.of_job(replace(seen, objects={}), "users-probe-1") == []
