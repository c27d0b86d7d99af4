"""A machine: network, mount and process namespaces with own /run, /var/lib and /var/log, and a list of services.

Programs on a machine use their default paths and share no state with the real machine. All mounts are in the machine's
mount namespace, and all processes end with the first one; `stop` kills one process and unmounts nothing.
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
# Each machine has its own; files of the real machine that it needs must be in other folders.
OWN_FOLDERS = ("/run", "/var/lib", "/var/log")
END_SECONDS = 20.0


@dataclass(frozen=True)
class ServiceSpec:
    """A program of a machine; supervisor.Service documents the fields."""

    name: str
    argv: list[str]
    log: str
    env: dict[str, str] = field(default_factory=dict)
    ready_socket: str | None = None
    ready_file: str | None = None


@dataclass(frozen=True)
class Machine:
    """A simulated machine. `root` has its state; `name` is the host name and the name of the network namespace."""

    name: str
    root: Path
    services: tuple[ServiceSpec, ...]

    @property
    def record(self) -> Path:
        return self.root / "machine.json"

    @property
    def journal(self) -> Path:
        """The log of the first process: starts and ends of services."""
        return self.root / "supervisor.log"

    def folder(self, path: str) -> Path:
        """Return the real path of a folder of the machine, such as /var/log."""
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
        """Return the process id of the first process, or None if the recorded process has ended."""
        recorded = self._recorded()
        if recorded is None or started_at(recorded["pid"]) != recorded["started"]:
            return None
        return int(recorded["pid"])

    def has_network(self) -> bool:
        """Whether the first process is in the current network namespace of the machine's name, not in a deleted one."""
        try:
            return Path(f"/proc/{self.running()}/ns/net").samefile(f"/run/netns/{self.name}")
        except OSError:
            return False

    def since(self) -> float:
        """Return the time of the last start, in seconds of the Unix epoch."""
        recorded = self._recorded()
        return float(recorded["since"]) if recorded else 0.0

    def start(self) -> None:
        """Start the machine; if it runs and its specification changed, restart only the services that differ."""
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
        # The content of these folders is invalid after a start, as after a reboot.
        for stale in (self.folder("/run"), self.folder("/var/lib") / "cni"):
            shutil.rmtree(stale, ignore_errors=True)
            stale.mkdir()
        spec.write_text(self.specification())
        outer = self._spawn(spec)
        pid = self._first_process(outer)
        self.record.write_text(json.dumps({"pid": pid, "started": started_at(pid), "since": time.time()}))
        # The supervisor waits for this line, and ends if this process dies before the record is written.
        assert outer.stdin is not None
        outer.stdin.write(b"go\n")
        outer.stdin.close()

    def stop(self) -> None:
        """Kill the first process; the kernel ends all others of the process namespace."""
        pid = self.running()
        if pid:
            os.kill(pid, signal.SIGKILL)
            _wait_ended(pid, self.name)
        self.record.unlink(missing_ok=True)

    def enter(self, *argv: str | Path) -> list[str]:
        """Return the command that runs `argv` with the mounts and the network of the machine."""
        pid = self.running()
        if not pid:
            raise LocalClusterError(f"{self.name} is not running; start it with `python -m localcluster up`")
        return ["nsenter", f"--target={pid}", "--mount", "--net", "--", *map(str, argv)]

    def failures(self) -> list[str]:
        """Return a message for each service that ended recently, with the last lines of its log."""
        journal = self.journal.read_text().splitlines()[-20:] if self.journal.exists() else []
        ended = {line.split()[1] for line in journal if " ended with " in line}
        logs = [self.root / "logs" / f"{name}.log" for name in sorted(ended)]
        tails = {log: log.read_text(errors="replace").splitlines()[-2:] for log in logs}
        return [f"{self.name}: {log.stem} ends repeatedly ({log}):\n" + "\n".join(tails[log]) for log in logs]

    def _recorded(self) -> dict[str, Any] | None:
        try:
            return dict(json.loads(self.record.read_text()))
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def _spawn(self, spec: Path) -> subprocess.Popen[bytes]:
        """Start the supervisor in new namespaces, detached from the terminal."""
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
        """Return the process id, outside the namespace, of process 1 of the new process namespace."""
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline and outer.poll() is None:
            children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
            if children:
                return int(children[0])
            time.sleep(0.01)
        raise LocalClusterError(f"{self.name} did not start; see {self.journal}")


def started_at(pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot, or None if it ended.

    Process id and start time together identify a process: ids are reused (proc(5), field 22 of /proc/PID/stat).
    """
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, ticks = after_name[0], after_name[19]
    return None if state in "ZX" else ticks


def check_reachable(*needed: Path) -> None:
    """Raise LocalClusterError if a path is in a folder that a machine replaces with its own."""
    for path in needed:
        for folder in OWN_FOLDERS:
            if Path(folder) in path.absolute().parents:
                raise LocalClusterError(
                    f"{path} is in {folder}, which every node replaces with its own. "
                    "Set FREEHOLD_CACHE, and move the project and its Python, to another folder, such as /home."
                )


def _wait_ended(pid: int, name: str) -> None:
    deadline = time.monotonic() + END_SECONDS
    while started_at(pid) is not None:
        if time.monotonic() > deadline:
            raise LocalClusterError(f"{name} (process {pid}) did not end within {END_SECONDS:.0f} s")
        time.sleep(0.02)
