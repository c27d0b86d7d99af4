"""A machine: a network, mount and process namespace with its own /run, /var/lib and /var/log, and its services.

To the programs on it a machine looks like a computer of its own: they keep their usual paths, and nothing of the real
machine's is shared or changed. Its mounts are its own, and its processes end with the first of them, so that `stop` has
one process to end and nothing to unmount.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .errors import LocalClusterError

SUPERVISOR = Path(__file__).with_name("supervisor.py")
# Hidden on a machine, which has its own: what it needs of the real machine must live elsewhere.
OWN_FOLDERS = ("/run", "/var/lib", "/var/log")
END_SECONDS = 20.0


@dataclass(frozen=True)
class ServiceSpec:
    """A program of a machine; see supervisor.Service for the meaning of the fields."""

    name: str
    argv: list[str]
    log: str
    env: dict[str, str] = field(default_factory=dict)
    ready_socket: str | None = None
    ready_file: str | None = None


@dataclass(frozen=True)
class Machine:
    """`root` keeps its state; `name` is its host name and that of its network namespace."""

    name: str
    root: Path
    services: tuple[ServiceSpec, ...]

    @property
    def record(self) -> Path:
        return self.root / "machine.json"

    @property
    def journal(self) -> Path:
        """What its first process did: which services it started, and which ended."""
        return self.root / "supervisor.log"

    def folder(self, path: str) -> Path:
        """Where a folder of the machine, such as /var/log, is found from outside."""
        return self.root / path.strip("/").replace("/", "-")

    def specification(self) -> str:
        binds = {str(self.folder(path)): path for path in OWN_FOLDERS}
        return json.dumps(
            {
                "machine": self.name,
                "binds": binds,
                "services": [asdict(service) for service in self.services],
            },
            indent=1,
        )

    def running(self) -> int | None:
        """The process id of its first process, if that very process is still alive."""
        recorded = self._recorded()
        if recorded is None or started_at(recorded["pid"]) != recorded["started"]:
            return None
        return int(recorded["pid"])

    def has_network(self) -> bool:
        """Whether it stands in the namespace of its name, and not in one that was deleted under it."""
        try:
            return Path(f"/proc/{self.running()}/ns/net").samefile(f"/run/netns/{self.name}")
        except OSError:
            return False

    def since(self) -> float:
        """When it was started, in seconds of the Unix epoch."""
        recorded = self._recorded()
        return float(recorded["since"]) if recorded else 0.0

    def start(self) -> None:
        """Starts it unless it runs; when its specification changed, only the services that differ start anew."""
        spec = self.root / "specification.json"
        pid = self.running()
        if pid and self.has_network():
            if spec.read_text() != self.specification():
                spec.write_text(self.specification())
                os.kill(pid, signal.SIGHUP)
            return
        self.stop()
        check_reachable(self.root, SUPERVISOR, Path(sys.executable))
        for path in OWN_FOLDERS:
            self.folder(path).mkdir(parents=True, exist_ok=True)
        # As after a reboot: what these say was true before is not.
        for stale in (self.folder("/run"), self.folder("/var/lib") / "cni"):
            shutil.rmtree(stale, ignore_errors=True)
            stale.mkdir()
        spec.write_text(self.specification())
        outer = self._spawn(spec)
        pid = self._first_process(outer)
        self.record.write_text(json.dumps({"pid": pid, "started": started_at(pid), "since": time.time()}))
        # It goes on once it is on record; had this ended before, it would have ended too.
        assert outer.stdin is not None
        outer.stdin.write(b"go\n")
        outer.stdin.close()

    def stop(self) -> None:
        """Ends it and everything on it; the kernel ends the rest of a process namespace with its first process."""
        pid = self.running()
        if pid:
            os.kill(pid, signal.SIGKILL)
            _wait_ended(pid, self.name)
        self.record.unlink(missing_ok=True)

    def enter(self, *argv: str | Path) -> list[str]:
        """The command that runs `argv` on the machine (its files and network; not its process ids)."""
        pid = self.running()
        if not pid:
            raise LocalClusterError(f"{self.name} is not running; `python -m localcluster up` starts it")
        return ["nsenter", f"--target={pid}", "--mount", "--net", "--", *map(str, argv)]

    def troubles(self) -> list[str]:
        """What ended lately although it should run, each with the last words of its log."""
        journal = self.journal.read_text().splitlines()[-20:] if self.journal.exists() else []
        ended = {line.split()[1] for line in journal if " ended with " in line}
        logs = [self.root / "logs" / f"{name}.log" for name in sorted(ended)]
        words = {log: log.read_text(errors="replace").splitlines()[-2:] for log in logs}
        return [f"{self.name}: {log.stem} ends again and again ({log}):\n" + "\n".join(words[log]) for log in logs]

    def _recorded(self) -> dict[str, Any] | None:
        try:
            return dict(json.loads(self.record.read_text()))
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def _spawn(self, spec: Path) -> subprocess.Popen[bytes]:
        """Starts the supervisor in its namespaces, detached from this terminal."""
        enter = ["nsenter", f"--net=/run/netns/{self.name}"]
        namespaces = ["--mount", "--propagation=private", "--pid", "--fork", "--mount-proc", "--uts", "--ipc"]
        with self.journal.open("ab") as log:
            return subprocess.Popen(
                [*enter, "unshare", *namespaces, sys.executable, "-I", SUPERVISOR, spec],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )

    def _first_process(self, outer: subprocess.Popen[bytes]) -> int:
        """The process id, out here, of the process that `unshare` has made process 1 in there."""
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline and outer.poll() is None:
            children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
            if children:
                return int(children[0])
            time.sleep(0.01)
        raise LocalClusterError(f"{self.name} did not start; see {self.journal}")


def started_at(pid: int) -> str | None:
    """When a process started, in ticks since boot: with its id this names one process for ever. None when it ended."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, ticks = after_name[0], after_name[19]
    return None if state in "ZX" else ticks


def check_reachable(*needed: Path) -> None:
    """A machine sees the real one's files, save those under the folders it has of its own."""
    for path in needed:
        for folder in OWN_FOLDERS:
            if Path(folder) in path.absolute().parents:
                raise LocalClusterError(
                    f"{path} lies under {folder}, which a node has of its own. "
                    "Set FREEHOLD_CACHE (and keep the project and its Python) somewhere else, such as under /home."
                )


def _wait_ended(pid: int, name: str) -> None:
    deadline = time.monotonic() + END_SECONDS
    while started_at(pid) is not None:
        if time.monotonic() > deadline:
            raise LocalClusterError(f"{name} (process {pid}) did not end within {END_SECONDS:.0f} s")
        time.sleep(0.02)
