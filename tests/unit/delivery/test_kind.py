"""kind's configuration, read by kind's own parser. No cluster is created."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from hack.generate import ROOT

CONFIGURATION = ROOT / "localcluster/kind.yaml"
MODULE = Path(__file__).with_name("kind")
ZONE = "topology.kubernetes.io/zone"


def check(configuration: Path) -> subprocess.CompletedProcess[str]:
    command = ["go", "run", "-mod=readonly", ".", str(configuration)]
    return subprocess.run(command, cwd=MODULE, capture_output=True, text=True, check=False)


def test_two_zones() -> None:
    """The configuration has worker nodes in two zones, and kind's own network."""
    done = check(CONFIGURATION)
    assert done.returncode == 0, done.stderr
    cluster = json.loads(done.stdout)
    nodes = [(node["Role"], (node["Labels"] or {}).get(ZONE)) for node in cluster["Nodes"]]
    assert cluster["Name"] == "freehold"
    assert nodes == [("control-plane", None), ("worker", "a"), ("worker", "b")]
    assert not cluster["Networking"]["DisableDefaultCNI"], "kind's own network is the one that enforces policies"


def test_mistakes_refused(tmp_path: Path) -> None:
    """Unknown fields and roles are refused."""
    for right, wrong in (("labels:", "labelz:"), ("role: worker", "role: helper")):
        changed = tmp_path / "kind.yaml"
        changed.write_text(CONFIGURATION.read_text().replace(right, wrong))
        done = check(changed)
        assert done.returncode != 0 and wrong.split()[-1].rstrip(":") in done.stderr


def test_versions_equal() -> None:
    """The parser has the version of the compiled kind."""
    pins = {pin(file / "go.mod") for file in (MODULE, ROOT / "localcluster/tools/kind")}
    assert len(pins) == 1


def pin(file: Path) -> str:
    found = re.search(r"sigs\.k8s\.io/kind (v\S+)", file.read_text())
    assert found
    return found.group(1)
