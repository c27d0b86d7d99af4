"""The operator as a process on this machine, so that a story can kill the process between two writes.

Python takes seconds to import the operator's modules. One process has imported them, and every operator is forked from
that process; from there on, an operator is the program of `freehold operator`.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import TextIO

from freehold.cli import main
from kubernetes.config import kube_config

from tests.e2e.support.cluster import OPERATOR, Cluster

FREEHOLD = Path(sys.executable).with_name("freehold")
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__, "freehold.controller.handlers", "aiohttp.web"])
PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that a process gets when its parent ends."""


@dataclass
class OperatorProcess:
    """A running operator, which logs a line before each write. log: its output; said: all lines so far."""

    process: ForkServerProcess
    log: TextIO
    said: list[str] = field(default_factory=list)
    _reader: threading.Thread | None = None

    def kill_at(self, moment: Callable[[list[str]], bool], within: float = 120) -> str:
        """Send SIGKILL at the first line for which the predicate on all lines holds; return the line."""
        timer = threading.Timer(within, self.process.kill)
        timer.start()
        try:
            for line in self.log:
                self.said.append(line.rstrip())
                if moment(self.said):
                    self.process.kill()
                    self.process.join()
                    return line.rstrip()
        finally:
            timer.cancel()
        raise AssertionError(f"the operator ended, or {within:g} s passed, before it was to be killed:\n{self.tail()}")

    def until_up(self) -> None:
        """Read the log until the operator watches its resources."""
        for line in self.log:
            self.said.append(line.rstrip())
            if " watching " in line:
                self.said.clear()
                return
        raise AssertionError(f"the operator did not start:\n{self.tail()}")

    def tail(self) -> str:
        return "\n".join(self.said[-30:])

    def read_on(self) -> None:
        """Read the log in the background, so that a full pipe does not block the operator."""
        self._reader = threading.Thread(target=lambda: self.said.extend(self.log), daemon=True)
        self._reader.start()

    def end(self) -> None:
        """Kill the operator, and read its log to the end where it is read in the background."""
        self.process.kill()
        self.process.join()
        if self._reader:
            self._reader.join()


@contextmanager
def running(cluster: Cluster) -> Iterator[OperatorProcess]:
    """Run an operator with the settings of the installed operator, which must be scaled to zero."""
    path = "{.spec.template.spec.containers[0].env[?(@.name=='FREEHOLD_POSTGRESQL_IMAGE')].value}"
    image = cluster.kubectl("get", *OPERATOR, "-o", f"jsonpath={path}")
    with started(cluster.stage.kubeconfig, image) as operator:
        operator.until_up()
        yield operator


@contextmanager
def started(kubeconfig: Path, image: str, **variables: str) -> Iterator[OperatorProcess]:
    """Start an operator for the duration of the block. image: of PostgreSQL; variables: further ones."""
    environment = {"KUBECONFIG": str(kubeconfig), "FREEHOLD_POSTGRESQL_IMAGE": image, **variables}
    reader, writer = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=_run, args=(environment, _free_port(), writer), daemon=True)
    process.start()
    writer.close()
    with reader, open(reader.fileno(), closefd=False) as log:
        operator = OperatorProcess(process, log)
        try:
            yield operator
        finally:
            operator.end()


def _run(environment: dict[str, str], port: int, log: Connection) -> None:
    # The kernel ends the operator once the process that it was forked from has ended, which follows this run's process:
    # two operators would undo each other's work.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for stream in (1, 2):
        os.dup2(log.fileno(), stream)
    log.close()
    os.environ.update(environment)
    # The client reads this variable at import time, before the fork.
    kube_config.KUBE_CONFIG_DEFAULT_LOCATION = environment["KUBECONFIG"]
    sys.argv = ["freehold", "operator", "--liveness", f"http://127.0.0.1:{port}/healthz"]
    main.main()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
