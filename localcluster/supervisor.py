"""The first process of a machine (see machine.py): mounts folders, starts services in order and restarts them.

The supervisor is process 1 of a process namespace: when it dies, the kernel kills all processes of the machine.
Run as a script, by path, with a specification file as the only argument; uses the standard library only.
SIGHUP makes the supervisor read the file again.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RESTART_SECONDS = 1.0
POLL_SECONDS = 0.05
SIGNALS = {signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM}


@dataclass
class Service:
    """One program. At the first start, later services wait for `ready_socket` or `ready_file`, if set."""

    name: str
    argv: list[str]
    log: str
    env: dict[str, str] = field(default_factory=dict)
    ready_socket: str | None = None
    ready_file: str | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, compare=False)
    not_before: float = field(default=0.0, compare=False)
    was_ready: bool = field(default=False, compare=False)

    def start(self) -> None:
        if self.ready_file:
            Path(self.ready_file).unlink(missing_ok=True)
        with Path(self.log).open("ab") as log:
            self.process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.env},
                start_new_session=True,
                preexec_fn=_unblock,
            )
        report(f"{self.name} started")

    def is_ready(self) -> bool:
        if self.process is None:
            return False
        if self.ready_file:
            return Path(self.ready_file).exists()
        return self.ready_socket is None or _accepts(self.ready_socket)


def report(message: str) -> None:
    print(time.strftime("%Y-%m-%dT%H:%M:%S"), message, flush=True)


def main(specification: Path) -> None:
    """Wait until the parent has recorded this process (a line on stdin), then supervise until SIGTERM.

    Without the line the parent is gone, and the machine must not run: no later command would find the process.
    """
    if not sys.stdin.readline():
        report("ending: the parent process died before it recorded this machine")
        return
    spec: dict[str, Any] = json.loads(specification.read_text())
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    socket.sethostname(spec["machine"])
    for source, target in spec["binds"].items():
        subprocess.run(["mount", "--bind", source, target], check=True)
    # Kubernetes containers with mount propagation need a shared parent mount; a private mount propagates nothing.
    subprocess.run(["mount", "--make-rshared", "/"], check=True)
    services = read_services(specification)
    while True:
        settled = start_due(services)
        received = signal.sigtimedwait(SIGNALS, RESTART_SECONDS if settled else POLL_SECONDS)
        if received and received.si_signo == signal.SIGTERM:
            report("asked to stop")
            return
        if received and received.si_signo == signal.SIGHUP:
            services = replace(services, read_services(specification))
        reap(services)


def read_services(specification: Path) -> list[Service]:
    return [Service(**service) for service in json.loads(specification.read_text())["services"]]


def replace(running: list[Service], wanted: list[Service]) -> list[Service]:
    """Kill removed and changed services; return the wanted services, unchanged ones still running."""
    for service in running:
        if service.process is not None and service not in wanted:
            report(f"{service.name} changed or is no longer wanted; ending it")
            service.process.kill()
            service.process.wait()
    return [running[running.index(service)] if service in running else service for service in wanted]


def start_due(services: list[Service]) -> bool:
    """Start services that should run and do not; return whether every service has been ready once."""
    for service in services:
        if service.process is None and time.monotonic() >= service.not_before:
            service.start()
        if not service.was_ready:
            service.was_ready = service.is_ready()
            if not service.was_ready:
                return False
            report(f"{service.name} ready")
    return True


def reap(services: list[Service]) -> None:
    """Reap ended processes: services, which are scheduled for a restart, and orphans, whose parent is process 1."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        for service in services:
            if service.process is not None and service.process.pid == pid:
                report(f"{service.name} ended with {os.waitstatus_to_exitcode(status)}; starting it again")
                service.process.returncode = os.waitstatus_to_exitcode(status)
                service.process, service.not_before = None, time.monotonic() + RESTART_SECONDS


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _accepts(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
