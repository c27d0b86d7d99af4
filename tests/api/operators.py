"""The operator as a separate process, with a fast start and a sudden end.

Python takes seconds to import the operator's modules. One process has imported them, and every operator is forked from
that process. From there on, an operator is the program of `freehold operator`, with a kubeconfig and nothing shared.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from freehold.cli import main
from kubernetes.config import kube_config

from tests.api.cluster import until

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.api.operators", "freehold.controller.handlers", "aiohttp.web"])
PLATFORM = {"FREEHOLD_POSTGRESQL_IMAGE": "localhost/freehold/postgres:{version}"}


@dataclass
class Operator:
    """A running operator and the file of its log."""

    process: ForkServerProcess
    log: Path
    port: int

    def kill(self) -> None:
        """Kill the operator, as a failing node does."""
        self.process.kill()
        self.process.join()

    def stop(self) -> None:
        """Stop the operator, as the kubelet does."""
        assert self.process.pid
        os.kill(self.process.pid, signal.SIGTERM)
        self.process.join(10)
        assert self.process.exitcode is not None, "it does not stop"

    def alive(self) -> bool:
        """Whether the operator answers the liveness probe."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5):
                return True
        except OSError:
            return False


def start(
    kubeconfig: Path, log: Path, *namespaces: str, image: str = "", lease: str = "", postgresql: str = ""
) -> Operator:
    """Start an operator for these namespaces, or for all. image: the operator's; without one, neither isolation is
    verified nor a contract read. lease: the name of the Lease for leader election; without one, the operator acts.
    postgresql: another image of database servers."""
    port = free_port()
    environment = {
        **PLATFORM,
        **({"FREEHOLD_POSTGRESQL_IMAGE": postgresql} if postgresql else {}),
        "FREEHOLD_IMAGE": image,
        "KUBECONFIG": str(kubeconfig),
        "FREEHOLD_NAMESPACES": ",".join(namespaces),
        "FREEHOLD_LEASE": lease,
    }
    process = FORKS.Process(target=_run, args=(environment, port, str(log)), daemon=True)
    process.start()
    return Operator(process, log, port)


@contextmanager
def running(
    kubeconfig: Path, log: Path, *namespaces: str, image: str = "", lease: str = "", postgresql: str = ""
) -> Iterator[Operator]:
    """Run an operator for the duration of the block."""
    operator = start(kubeconfig, log, *namespaces, image=image, lease=lease, postgresql=postgresql)
    try:
        until(operator.alive, lambda: f"the operator works; it says:\n{log.read_text()}")
        yield operator
    finally:
        operator.kill()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _run(environment: dict[str, str], port: int, log: str) -> None:
    with Path(log).open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(environment)
    # The client reads this variable at import time, before the fork.
    kube_config.KUBE_CONFIG_DEFAULT_LOCATION = environment["KUBECONFIG"]
    sys.argv = ["freehold", "operator", "--liveness", f"http://127.0.0.1:{port}/healthz"]
    main.main()
