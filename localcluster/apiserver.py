"""A Kubernetes API without nodes, for tests and benchmarks: etcd and kube-apiserver on the loopback interface.

    with ApiServer() as api:
        ...  # api.kubeconfig is a path

Startup takes a few seconds, needs no privileges and leaves no files behind. Create the object in a thread that outlives
its use: the kernel kills the programs when the thread that started them ends. `controllers=True` adds the controller
manager (garbage collection, namespaces, Deployments, Jobs). `nodes=N` also adds the scheduler and kwok, which simulates
N nodes on which every pod becomes Ready and every Job's pod succeeds. `volumes=M` adds M PersistentVolumes.
`stages` names a folder with other kwok Stages.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from . import certificates, controlplane, paths, tools
from .controlplane import ControlPlane
from .errors import LocalClusterError
from .progress import Step
from .run import run

ADDRESS = "127.0.0.1"
READY_SECONDS = 60.0
STAGES = Path(__file__).with_name("simulation")
NODE = """\
apiVersion: v1
kind: Node
metadata:
  name: {name}
  annotations: {{kwok.x-k8s.io/node: fake}}
  labels: {{kubernetes.io/hostname: {name}, topology.kubernetes.io/zone: {zone}, freehold.dev/simulated: "true"}}
status:
  allocatable: {{cpu: "64", memory: 256Gi, ephemeral-storage: 10Ti, pods: "1000"}}
  capacity: {{cpu: "64", memory: 256Gi, ephemeral-storage: 10Ti, pods: "1000"}}
"""
STORAGE_CLASS = """\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: standard
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
"""
VOLUME = """\
apiVersion: v1
kind: PersistentVolume
metadata: {{name: simulated-{index}}}
spec:
  storageClassName: standard
  capacity: {{storage: 1Ti}}
  accessModes: [ReadWriteOnce]
  hostPath: {{path: /simulated}}
"""


# Connections to simulated pods must reach no real host. The kernel refuses connections to multicast addresses (here
# administratively scoped ones, RFC 2365) immediately; an address of any other range might belong to a real host.
SIMULATED_PODS = "239.192.0.1/16"


class ApiServer:
    """The API server as a context manager; `kubeconfig` has administrator rights, `logs` is the folder of the logs."""

    def __init__(
        self,
        *,
        controllers: bool = False,
        nodes: int = 0,
        volumes: int = 0,
        stages: Path = STAGES,
        audit: bool = False,
    ) -> None:
        self._controllers = controllers or nodes > 0
        self._stages = stages
        self._nodes = nodes
        self._volumes = volumes
        self._audit = audit
        self._ends = ExitStack()

    def __enter__(self) -> ApiServer:
        try:
            self._start()
        except BaseException:
            self._ends.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()

    @property
    def audit_log(self) -> Path:
        """The path of the audit log: one JSON document per line, filtered by `audit.POLICY` (with `audit=True`)."""
        return self.logs / "audit.log"

    def pid(self, program: str) -> int:
        """Return the process id of a program, such as `kube-apiserver`."""
        return self._processes[program].pid

    def _start(self) -> None:
        groups = ("kubernetes", "kwok") if self._nodes else ("kubernetes",)
        tools.ensure(groups, Step("tools"))
        self.root = Path(tempfile.mkdtemp(prefix="freehold-api-"))
        self._ends.callback(shutil.rmtree, self.root, ignore_errors=True)
        self.logs = self.root / "logs"
        self.logs.mkdir()
        self.kubeconfig = self.root / "kubeconfig"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        api, etcd, peer = _free_ports(3)
        audit_log = self.audit_log if self._audit else None
        self._plane = ControlPlane(self.root, self.root / "pki", ADDRESS, api, etcd, peer, audit_log)
        self._write_identities()
        self._run("etcd", controlplane.etcd(self._plane))
        self._run("kube-apiserver", controlplane.apiserver(self._plane))
        self._wait_ready()
        if self._controllers:
            # The default port could collide with another controller manager on this machine.
            argv = [*controlplane.controller_manager(self._plane), "--secure-port=0"]
            self._run(controlplane.CONTROLLER_MANAGER, argv)
        if self._nodes:
            self._run(controlplane.SCHEDULER, [*controlplane.scheduler(self._plane), "--secure-port=0"])
            self._simulate()

    def _write_identities(self) -> None:
        certificates.ensure(self._plane.pki, controlplane.identities(ADDRESS))
        certificates.write_kubeconfig(self.kubeconfig, self._plane.pki, "admin", self._plane.url, "freehold-api")
        for program in (controlplane.CONTROLLER_MANAGER, controlplane.SCHEDULER):
            target = self._plane.kubeconfig(program)
            certificates.write_kubeconfig(target, self._plane.pki, program, self._plane.url, "freehold-api")

    def _run(self, program: str, argv: list[str]) -> None:
        with (self.logs / f"{program}.log").open("wb") as log:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # The programs must also end when the test process is killed and runs no cleanup.
                preexec_fn=functools.partial(_end_with, os.getpid()),
                start_new_session=True,
            )
        self._processes[program] = process
        self._ends.callback(_end, process)

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        context = ssl.create_default_context(cafile=str(self._plane.pki / "ca.crt"))
        while True:
            for program, process in self._processes.items():
                if process.poll() is not None:
                    raise LocalClusterError(f"{program} ended with {process.returncode}:\n{self._log_tail(program)}")
            try:
                with urllib.request.urlopen(f"{self._plane.url}/readyz", timeout=2, context=context):
                    return
            except OSError as error:
                if time.monotonic() > deadline:
                    tail = self._log_tail("kube-apiserver")
                    raise LocalClusterError(
                        f"The API server was not ready within {READY_SECONDS:.0f} s. End of the log:\n{tail}"
                    ) from error
                time.sleep(0.05)

    def _simulate(self) -> None:
        """Start kwok, which renews the leases of the nodes and moves pods through the configured Stages."""
        stages = [f"--config={file}" for file in sorted(self._stages.glob("*.yaml"))]
        argv = [str(paths.tools_bin() / "kwok"), f"--kubeconfig={self.kubeconfig}", *stages]
        manages = [
            "--manage-all-nodes=false",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        ]
        self._run("kwok", [*argv, *manages, "--node-lease-duration-seconds=40", f"--cidr={SIMULATED_PODS}"])
        nodes = [NODE.format(name=f"simulated-{index}", zone="ab"[index % 2]) for index in range(self._nodes)]
        volumes = [VOLUME.format(index=index) for index in range(self._volumes)]
        objects = "---\n".join([STORAGE_CLASS, *nodes, *volumes])
        kubectl: list[str | Path] = [paths.tools_bin() / "kubectl", f"--kubeconfig={self.kubeconfig}"]
        run([*kubectl, "apply", "--server-side", "-f", "-"], stdin=objects, timeout=READY_SECONDS)
        wait = ["wait", "--for=condition=Ready", "node", "--all", f"--timeout={READY_SECONDS:.0f}s"]
        run([*kubectl, *wait], timeout=READY_SECONDS + 5)

    def _log_tail(self, program: str) -> str:
        return "\n".join((self.logs / f"{program}.log").read_text(errors="replace").splitlines()[-10:])


def _free_ports(count: int) -> list[int]:
    """Return free TCP ports; all are bound until the last is found, which makes them distinct."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for bound in sockets:
            bound.bind((ADDRESS, 0))
        return [bound.getsockname()[1] for bound in sockets]


def _end_with(parent: int) -> None:
    """Make the kernel kill the current process when the parent process ends (prctl PR_SET_PDEATHSIG)."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process; no data is kept, and a graceful shutdown would only take time."""
    process.kill()
    process.wait()
