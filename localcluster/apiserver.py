"""A Kubernetes API without nodes, for tests and figures: etcd and kube-apiserver on this machine's loopback.

    with ApiServer() as api:
        ...  # api.kubeconfig is a path

Ready in a few seconds, needs no privileges, and leaves nothing behind. Make it in a thread that lives as long as it
should: the kernel ends its programs with the thread that started them. With `controllers=True` the controller manager
runs too (garbage collection, namespaces, Deployments, Jobs); with `nodes=N` also the scheduler and kwok, which
plays N nodes on which every pod becomes Ready and every Job's pod succeeds; `volumes=M` gives them M volumes to claim.
`stages` is a folder of kwok Stages to play instead.
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


# Whoever tries simulated pods, as the operator does, must reach nobody: no connection can be opened to an address of
# this kind (multicast, RFC 2365), and the kernel says so at once, where another might be somebody's.
SIMULATED_PODS = "239.192.0.1/16"


class ApiServer:
    """The API server as a context manager; `kubeconfig` is an administrator's, `logs` the folder of its logs."""

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
        """What `audit.POLICY` says, one JSON document a line (with `audit=True`)."""
        return self.logs / "audit.log"

    def pid(self, program: str) -> int:
        """The process id of one of its programs, such as `kube-apiserver`."""
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
            # Its ports would meet those of another one on this machine.
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
                # Also when the tests are killed, and nobody is left to end it.
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
                    raise LocalClusterError(f"{program} ended with {process.returncode}:\n{self._last_words(program)}")
            try:
                with urllib.request.urlopen(f"{self._plane.url}/readyz", timeout=2, context=context):
                    return
            except OSError as error:
                if time.monotonic() > deadline:
                    words = self._last_words("kube-apiserver")
                    raise LocalClusterError(
                        f"The API server was not ready in {READY_SECONDS:.0f} s:\n{words}"
                    ) from error
                time.sleep(0.05)

    def _simulate(self) -> None:
        """kwok keeps the nodes' leases and moves their pods on, by the stages it is given."""
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

    def _last_words(self, program: str) -> str:
        return "\n".join((self.logs / f"{program}.log").read_text(errors="replace").splitlines()[-10:])


def _free_ports(count: int) -> list[int]:
    """Ports nobody listens on; all are held until the last is found, so that they differ."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((ADDRESS, 0))
        return [one.getsockname()[1] for one in sockets]


def _end_with(parent: int) -> None:
    """Asks the kernel to kill this process when the one that started it ends."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing of it is kept, so that there is nothing to wait for politely."""
    process.kill()
    process.wait()
