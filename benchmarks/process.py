"""Child processes of a benchmark, which end with the benchmark, and their use of memory and processor."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from .errors import BenchmarkError

PATIENCE_SECONDS = 60.0
END_SECONDS = 20.0
SETTLED_SAMPLES = 10
"""Number of samples, a second apart, that must lie within 0.1 % of each other for memory to count as settled."""
SETTLE_SECONDS = 120


def free_port() -> int:
    """Return a currently free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ends_with_parent(argv: Sequence[str | Path]) -> list[str]:
    """Return the command wrapped by setpriv: the kernel kills the child when this process dies (prctl(2))."""
    return ["setpriv", "--pdeathsig=KILL", "--", *map(str, argv)]


@contextmanager
def running(argv: Sequence[str | Path], log: Path, env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program; terminate the program on exit."""
    with log.open("ab") as out:
        process = subprocess.Popen(ends_with_parent(argv), env={**os.environ, **env}, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(condition: Callable[[], bool], description: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Poll until the condition is true. Raises BenchmarkError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise BenchmarkError(f"{description} (timed out after {seconds:.0f} s)")
        time.sleep(0.1)


class Operator:
    """The operator as a local process, for any cluster."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self._process = process

    def memory(self) -> int:
        """Return the resident memory in bytes (proc(5), VmRSS)."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))

    def settled_memory(self) -> int:
        """Return the resident memory in bytes once settled, or after two minutes."""
        samples: list[int] = []
        for _ in range(SETTLE_SECONDS):
            samples.append(self.memory())
            recent = samples[-SETTLED_SAMPLES:]
            if len(recent) == SETTLED_SAMPLES and max(recent) - min(recent) < max(recent) / 1000:
                break
            time.sleep(1)
        return samples[-1]

    def processor_seconds(self) -> float:
        """Return the processor time so far in seconds, in user and in kernel mode."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def operator(kubeconfig: Path, log: Path) -> Iterator[Operator]:
    """Run the operator; yield once all watches have received the first lists."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/healthz"
    environment = {
        "KUBECONFIG": str(kubeconfig),
        "FREEHOLD_POSTGRESQL_IMAGE": "localhost/freehold/postgres:{version}",
        "FREEHOLD_IMAGE": "localhost/freehold/operator:dev",
        "FREEHOLD_NAMESPACES": "",
    }
    command = Path(sys.executable).with_name("freehold")
    with running([command, "operator", "--liveness", url], log, environment) as process:
        until(lambda: process.poll() is not None or _answers(url), f"the operator did not start; see {log}")
        if process.poll() is not None:
            raise BenchmarkError(f"the operator ended with exit code {process.returncode}; see {log}")
        yield Operator(process)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
