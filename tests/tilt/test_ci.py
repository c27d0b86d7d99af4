"""The Tiltfile, run by Tilt on a separate local cluster.

Tilt is not among the project's tools; the test needs Tilt in PATH and is skipped otherwise.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.generate import ROOT
from localcluster import cluster, tools
from localcluster.paths import DEFAULT_NAME, ClusterPaths, tools_bin
from localcluster.progress import Step

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.timeout(2400),  # the first run compiles every service and builds every image
    pytest.mark.skipif(not shutil.which("tilt"), reason="Tilt is not installed (docs.tilt.dev/install)"),
]
NAME = "tilt"
SHOP = {"users", "payments", "invoices", "storefront"}


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment for a fresh cluster; the context has the name allowed by the Tiltfile."""
    paths = ClusterPaths(NAME)
    tools.ensure(tools.DEFAULT_GROUPS, Step("tools"))
    cluster.down(paths)
    cluster.up(paths)
    path = f"{tools_bin()}{os.pathsep}{os.environ['PATH']}"
    quiet = {"TILT_DISABLE_ANALYTICS": "1", "DO_NOT_TRACK": "1"}
    kubeconfig = tmp_path / "kubeconfig"
    shutil.copy(paths.kubeconfig, kubeconfig)
    variables = {**os.environ, **quiet, "PATH": path, "KUBECONFIG": str(kubeconfig), "LOCAL_CLUSTER": NAME}
    subprocess.run(["kubectl", "config", "rename-context", NAME, DEFAULT_NAME], env=variables, check=True)
    yield variables
    cluster.down(paths)


def test_tilt_ci_shop_ready(environment: dict[str, str]) -> None:
    """`tilt ci` builds and applies the shop, waits until all services are ready and exits with 0."""
    done = subprocess.run(
        ["tilt", "ci", "--port=0", "--timeout=35m"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-6000:]}{done.stderr[-2000:]}"
    listed = subprocess.run(
        ["kubectl", "get", "microservices", "-n", "shop", "-o", "json"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    ready = {
        item["metadata"]["name"]
        for item in json.loads(listed.stdout)["items"]
        for condition in item["status"]["conditions"]
        if (condition["type"], condition["status"]) == ("Ready", "True")
    }
    assert ready == SHOP
