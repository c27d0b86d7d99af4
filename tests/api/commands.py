"""Runs of `freehold` commands in the tests' own process, and their results."""

from __future__ import annotations

import sys
from pathlib import Path

from click.testing import CliRunner, Result
from freehold.cli.main import freehold

from tests.api.cluster import Cluster
from tests.api.shop import FULL, microservice

PROGRAMS = Path(sys.executable).parent


def run(kubeconfig: Path, *arguments: str) -> Result:
    """The result of a command."""
    return CliRunner().invoke(freehold, arguments, env={"KUBECONFIG": str(kubeconfig)})


def answer(cluster: Cluster, *arguments: str, code: int = 0) -> str:
    """The output of a command with this exit code."""
    done = run(cluster.kubeconfig, *arguments)
    assert done.exit_code == code, done.output
    return done.stdout


def refusal(kubeconfig: Path, *arguments: str) -> str:
    """The one sentence of a failed command, without `Error: `."""
    done = run(kubeconfig, *arguments)
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("Error: ").rstrip()


def create_shop(cluster: Cluster, home: str) -> None:
    """Create users with a database; payments, with an existing and a missing provider; and front without providers."""
    cluster.create(microservice(home, database=FULL["database"]))
    cluster.create(microservice(home, "payments", consumes=[{"name": "users"}, {"name": "ledger"}]))
    cluster.create(microservice(home, "front", grpc=None, http={"port": 8080}))
