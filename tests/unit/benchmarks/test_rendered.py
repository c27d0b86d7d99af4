"""What the script applies without the operator: everything the operator makes, in stages that can be waited for."""

from __future__ import annotations

from pathlib import Path

import yaml

from benchmarks import rendered
from benchmarks.rig import microservice


def test_every_object_is_in_one_stage_and_has_no_owner() -> None:
    first, second, third = rendered.stages(microservice("shop", "users"))
    assert first[-1]["kind"] == "StatefulSet"
    assert [body["kind"] for body in (*second, *third)] == ["Job", "Deployment"]
    assert {"Secret", "PersistentVolumeClaim", "NetworkPolicy", "Service"} <= {body["kind"] for body in first}
    every = [*first, *second, *third]
    assert not any("ownerReferences" in body["metadata"] for body in every)
    assert {body["metadata"]["namespace"] for body in every} == {"shop"}


def test_credentials_are_the_same_for_the_server_and_those_who_use_it(tmp_path: Path) -> None:
    files = rendered.write(tmp_path, microservice("shop", "users"))
    bodies = [body for file in files for body in yaml.safe_load_all(file.read_text())]
    secrets = {body["metadata"]["name"]: body["data"] for body in bodies if body["kind"] == "Secret"}
    assert secrets["users-database"]["password"] == secrets["users-database-server"]["app"]
    assert secrets["users-database-owner"]["password"] == secrets["users-database-server"]["owner"]
