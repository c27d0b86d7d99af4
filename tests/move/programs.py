"""The programs of a move, switchover and proxy, run with the servers of a lab."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from tests.move.machine import ROOT, wait_until
from tests.move.servers import Lab, Server


@dataclass
class Program:
    """A process of a module of freehold.agents.postgresql with the lab's credentials. lines: the output so far."""

    process: subprocess.Popen[str]
    lines: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reading = threading.Thread(target=self._read, daemon=True)
        self.reading.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.strip():
                self.lines.append((time.monotonic(), line.strip()))

    def at(self, step: str) -> float | None:
        """The time of the first line of a step; None before."""
        return next((when for when, line in list(self.lines) if line.startswith(f"{step}:")), None)

    def go_on(self) -> None:
        """Continue after a pause of PAUSE_AT; without effect on a program that has ended."""
        assert self.process.stdin
        with contextlib.suppress(OSError):
            self.process.stdin.write("\n")
            self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        status = self.process.wait(200)
        self.reading.join(5)
        return status

    def output(self) -> str:
        return "\n".join(line for _, line in self.lines)


def run_elsewhere(lab: Lab, program: str, *arguments: str, **variables: str) -> Program:
    command = [sys.executable, ROOT / "tests/move/elsewhere.py", lab.folder, program, *arguments]
    environment = {**os.environ, "ANSWER": f"{lab.folder}/answer", **variables}
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT, env=environment)
    lab.programs.append(process)
    return Program(process)


def start_proxy(*servers: Server, port: int, progress_port: int, **variables: str) -> Program:
    """Start a proxy for these servers, and wait until it accepts clients."""
    ports = {"PORT": str(port), "PROGRESS_PORT": str(progress_port)}
    proxy = run_elsewhere(servers[0].lab, "proxy", *(server.host for server in servers), **ports, **variables)
    wait_until(lambda: proxy.lines, "the proxy accepts clients")
    return proxy


def start_switchover(source: Server, target: Server, **variables: str) -> Program:
    return run_elsewhere(source.lab, "switchover", source.host, target.host, **variables)


def outcome_of(program: Program) -> dict[str, Any]:
    """Wait for the end of a switchover; return its outcome."""
    assert program.end() == 0, program.output()
    found: dict[str, Any] = json.loads(program.lines[-1][1])
    return found
