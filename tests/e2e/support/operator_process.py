"""The operator as a process on this machine, so that a story can kill the process between two writes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.support.cluster import OPERATOR, Cluster

FREEHOLD = Path(sys.executable).with_name("freehold")


@dataclass
class OperatorProcess:
    """A running operator, which logs a line before each write. said: all lines so far."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    def kill_at(self, moment: Callable[[list[str]], bool], within: float = 120) -> str:
        """Send SIGKILL at the first line for which the predicate on all lines holds; return the line."""
        timer = threading.Timer(within, self.process.kill)
        timer.start()
        try:
            for line in self.process.stderr or ():
                self.said.append(line.rstrip())
                if moment(self.said):
                    self.process.send_signal(signal.SIGKILL)
                    self.process.wait()
                    return line.rstrip()
        finally:
            timer.cancel()
        raise AssertionError(f"the operator ended, or {within:g} s passed, before it was to be killed:\n{self.tail()}")

    def until_up(self) -> None:
        """Read the log until the operator watches its resources."""
        for line in self.process.stderr or ():
            self.said.append(line.rstrip())
            if " watching " in line:
                self.said.clear()
                return
        raise AssertionError(f"the operator did not start:\n{self.tail()}")

    def tail(self) -> str:
        return "\n".join(self.said[-30:])

    def read_on(self) -> None:
        """Read the log in the background, so that a full pipe does not block the operator."""
        threading.Thread(target=lambda: self.said.extend(self.process.stderr or ()), daemon=True).start()


@contextmanager
def running(cluster: Cluster) -> Iterator[OperatorProcess]:
    """Run an operator with the settings of the installed operator, which must be scaled to zero."""
    # The kernel ends the operator where this process dies first: two operators would undo each other's work.
    command = [
        "setpriv",
        "--pdeathsig=KILL",
        "--",
        str(FREEHOLD),
        "operator",
        "--liveness",
        f"http://127.0.0.1:{_free_port()}/healthz",
    ]
    path = "{.spec.template.spec.containers[0].env[?(@.name=='FREEHOLD_POSTGRESQL_IMAGE')].value}"
    image = cluster.kubectl("get", *OPERATOR, "-o", f"jsonpath={path}")
    environment = {**os.environ, "KUBECONFIG": str(cluster.stage.kubeconfig), "FREEHOLD_POSTGRESQL_IMAGE": image}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    operator = OperatorProcess(process)
    try:
        operator.until_up()
        yield operator
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
