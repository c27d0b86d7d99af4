"""The objects that the script applies without the operator: all objects of the operator, by stage."""

from __future__ import annotations

from pathlib import Path

import yaml

from benchmarks import rendered
from benchmarks.rig import microservice


def test_rendered_stages() -> None:
    """Every object is in a single stage and has no owner."""
    first, second, third = rendered.stages(microservice("shop", "users"))
    assert all("recorded" not in body.get("data", {}) for body in first), "the server starts on an empty volume"
    assert first[-1]["kind"] == "StatefulSet"
    assert [body["kind"] for body in (*second, *third)] == ["Job", "Deployment"]
    assert {"Secret", "PersistentVolumeClaim", "NetworkPolicy", "Service"} <= {body["kind"] for body in first}
    bodies = [*first, *second, *third]
    assert not any("ownerReferences" in body["metadata"] for body in bodies)
    assert {body["metadata"]["namespace"] for body in bodies} == {"shop"}


def test_rendered_credentials(tmp_path: Path) -> None:
    """The server and its clients have the same passwords."""
    files = rendered.write(tmp_path, microservice("shop", "users"))
    bodies = [body for file in files for body in yaml.safe_load_all(file.read_text())]
    secrets = {body["metadata"]["name"]: body["data"] for body in bodies if body["kind"] == "Secret"}
    assert secrets["users-database"]["password"] == secrets["users-database-server"]["app"]
    assert secrets["users-database-owner"]["password"] == secrets["users-database-server"]["owner"]
