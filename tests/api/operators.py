"""The operator as a process of its own, started in a moment and ended without warning.

Python takes seconds to read what the operator imports; here one process has read it and every operator is forked from
that one. From there on it is the program that `freehold operator` runs, with a kubeconfig and nothing shared.
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
    """A running operator, and where it writes its log."""

    process: ForkServerProcess
    log: Path
    port: int

    def kill(self) -> None:
        """End it as a node that fails would."""
        self.process.kill()
        self.process.join()

    def stop(self) -> None:
        """End it as the kubelet would."""
        assert self.process.pid
        os.kill(self.process.pid, signal.SIGTERM)
        self.process.join(10)
        assert self.process.exitcode is not None, "it does not stop"

    def alive(self) -> bool:
        """Whether it answers the kubelet's probe."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5):
                return True
        except OSError:
            return False


def start(kubeconfig: Path, log: Path, *namespaces: str, image: str = "") -> Operator:
    """Start an operator for these namespaces, or for all. image: its own; without it nothing is probed or asked."""
    port = free_port()
    environment = {
        **PLATFORM,
        "FREEHOLD_IMAGE": image,
        "KUBECONFIG": str(kubeconfig),
        "FREEHOLD_NAMESPACES": ",".join(namespaces),
    }
    process = FORKS.Process(target=_run, args=(environment, port, str(log)), daemon=True)
    process.start()
    return Operator(process, log, port)


@contextmanager
def running(kubeconfig: Path, log: Path, *namespaces: str, image: str = "") -> Iterator[Operator]:
    """An operator that works, until the end of the block."""
    operator = start(kubeconfig, log, *namespaces, image=image)
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
    # The client reads this variable when it is imported, which the process this one was forked from did.
    kube_config.KUBE_CONFIG_DEFAULT_LOCATION = environment["KUBECONFIG"]
    sys.argv = ["freehold", "operator", "--liveness", f"http://127.0.0.1:{port}/healthz"]
    main.main()
