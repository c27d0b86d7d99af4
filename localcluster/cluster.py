"""The cluster as a whole: up, down, and how it is."""

from __future__ import annotations

import ipaddress
import json
import shutil
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from . import certificates, cgroups, controlplane, images, network, node, nodeimages, packages, paths, tools
from .errors import LocalClusterError
from .locks import locked
from .machine import Machine, ServiceSpec
from .paths import ClusterPaths
from .progress import Step, step
from .run import run

ZONES = ("a", "b")
API_PORT = 6443
SYSTEM_IMAGES = ("pause", "base", "coredns", "local-path-provisioner", "metrics-server")
MANIFESTS = Path(__file__).with_name("manifests")
# What must work before the cluster is of use. Figures (metrics-server) come when two rounds are collected.
NEEDED = (("kube-system", "coredns"), ("local-path-storage", "local-path-provisioner"))
# How long a part may take to come up, on a busy machine too, before that is reported as a failure.
PATIENCE_SECONDS = 90
SYSTEM_NAMESPACES = ("kube-system", "local-path-storage")


@dataclass(frozen=True)
class Settings:
    """What was chosen when the cluster was first brought up, kept so that every later command means the same one."""

    host_block: str
    audit: bool


@dataclass(frozen=True)
class Cluster:
    """One cluster: its files, its network, and the machines it is made of."""

    paths: ClusterPaths
    network: network.ClusterNetwork
    control: Machine
    nodes: tuple[Machine, ...]

    @property
    def machines(self) -> tuple[Machine, ...]:
        return (self.control, *self.nodes)

    def kubectl(self, *arguments: str | Path, stdin: str | None = None, timeout: float = 60) -> str:
        """Runs kubectl as the administrator."""
        command = [paths.tools_bin() / "kubectl", f"--kubeconfig={self.paths.kubeconfig}", *arguments]
        return run(command, stdin=stdin, timeout=timeout)


def up(where: ClusterPaths, *, audit: bool | None = None) -> None:
    """Brings the cluster up, or puts right what is missing of it; does nothing to one that is well."""
    with locked(where.lock, f"another `up` or `down` of {where.name}", wait=False):
        with step("tools", "compiled and cached") as progress:
            tools.ensure(tools.CLUSTER_GROUPS, progress)
            packages.ensure(progress)
            progress.detail = f"Kubernetes {tools.kubernetes_version()}, containerd, CoreDNS, metrics-server"
        with step("images", "of the system") as progress:
            archives = images.ensure(SYSTEM_IMAGES, progress)
            progress.detail = ", ".join(SYSTEM_IMAGES)
        with step("cluster") as progress:
            _start(configure(where, settings(where, audit)), archives.values(), progress)


def _start(cluster: Cluster, archives: Iterable[Path], progress: Step) -> None:
    progress.say("starting the control plane and the nodes")
    network.ensure(cluster.network)
    for machine in cluster.nodes:
        cgroups.ensure(machine.name)
    for machine in cluster.machines:
        machine.start()
    with ThreadPoolExecutor() as pool:
        loaded = pool.submit(_load_when_ready, cluster, list(archives))
        _wait_api(cluster)
        cluster.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={MANIFESTS}")
        progress.say("waiting for the nodes")
        _wait_nodes(cluster, loaded)
    progress.say("waiting for names and volumes")
    for namespace, deployment in NEEDED:
        rollout = (
            "-n",
            namespace,
            "rollout",
            "status",
            f"deployment/{deployment}",
            f"--timeout={PATIENCE_SECONDS}s",
        )
        cluster.kubectl(*rollout, timeout=PATIENCE_SECONDS + 5)
    progress.detail = f"{len(ZONES)} nodes, zones {' and '.join(ZONES)}, network policies enforced"


def down(where: ClusterPaths) -> None:
    """Ends the cluster and removes all it made: processes, namespaces, links, control groups, data."""
    with locked(where.lock, f"another `up` or `down` of {where.name}", wait=False), step("down") as progress:
        if not where.root.exists():
            progress.detail = "nothing to remove"
            return
        cluster = describe(where, settings(where))
        for machine in reversed(cluster.machines):
            machine.stop()
        network.remove(cluster.network)
        for machine in cluster.nodes:
            cgroups.remove(machine.name)
        shutil.rmtree(where.root)
        progress.detail = f"{where.name} is gone; tools and images stay in {paths.cache()}"


def settings(where: ClusterPaths, audit: bool | None = None) -> Settings:
    """The cluster's settings, chosen now if this is its first start; they are kept before anything else is made."""
    file = where.root / "settings.json"
    known = Settings(**json.loads(file.read_text())) if file.exists() else None
    block = known.host_block if known else str(network.free_host_block())
    chosen = Settings(block, audit if audit is not None else bool(known and known.audit))
    if chosen != known:
        where.root.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(chosen.__dict__))
    return chosen


def describe(where: ClusterPaths, chosen: Settings) -> Cluster:
    """The cluster by name alone, for what needs no configuration: its machines have no services in this view."""
    plan = network.plan(where.name, ZONES, ipaddress.IPv4Network(chosen.host_block))
    control = Machine(plan.hub, where.machine("control-plane"), ())
    nodes = (Machine(one.name, where.machine(one.name), ()) for one in plan.nodes)
    return Cluster(where, plan, control, tuple(nodes))


def configure(where: ClusterPaths, chosen: Settings) -> Cluster:
    """Writes certificates, kubeconfigs and configuration, all of which come out the same on every run."""
    plan = network.plan(where.name, ZONES, ipaddress.IPv4Network(chosen.host_block))
    root = where.machine("control-plane")
    audit_log = root / "logs" / "audit.log" if chosen.audit else None
    plane = controlplane.ControlPlane(root, where.pki, plan.api_address, API_PORT, 2379, 2380, audit_log)
    identities = controlplane.identities(plane.address)
    for one in plan.nodes:
        identities += node.identities(one)
    certificates.ensure(where.pki, identities)
    for program in (controlplane.CONTROLLER_MANAGER, controlplane.SCHEDULER):
        certificates.write_kubeconfig(plane.kubeconfig(program), where.pki, program, plane.url, where.name)
    certificates.write_kubeconfig(where.kubeconfig, where.pki, "admin", plane.url, where.name)
    nodes = (node.configure(one, where.machine(one.name), where.pki, plane.url) for one in plan.nodes)
    return Cluster(where, plan, Machine(plan.hub, root, _control_services(plane)), tuple(nodes))


def _control_services(plane: controlplane.ControlPlane) -> tuple[ServiceSpec, ...]:
    logs = plane.root / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    programs = {
        "etcd": controlplane.etcd(plane),
        "kube-apiserver": controlplane.apiserver(plane),
        controlplane.CONTROLLER_MANAGER: controlplane.controller_manager(plane),
        controlplane.SCHEDULER: controlplane.scheduler(plane),
    }
    return tuple(ServiceSpec(name, argv, str(logs / f"{name}.log")) for name, argv in programs.items())


def _wait_api(cluster: Cluster) -> None:
    """Until the API server says that it is ready; nothing can be watched before that."""
    logs = cluster.control.root / "logs"
    _until(
        lambda: cluster.kubectl("get", "--raw=/readyz", "--request-timeout=2s"),
        f"The API server was not ready after {PATIENCE_SECONDS} s; see {logs}",
    )


def _load_when_ready(cluster: Cluster, archives: list[Path]) -> None:
    for machine in cluster.nodes:
        socket = machine.folder("/run") / "containerd" / "containerd.sock"
        _until(
            socket.stat,
            f"containerd of {machine.name} did not start; see {machine.root / 'logs'}",
        )
    nodeimages.load(cluster.nodes, archives)


def _wait_nodes(cluster: Cluster, loaded: Future[None]) -> None:
    names = [machine.name for machine in cluster.nodes]
    failure = f"A node did not become Ready; see {', '.join(str(machine.root / 'logs') for machine in cluster.nodes)}"
    _until(lambda: cluster.kubectl("get", "nodes", *names), failure)
    loaded.result()
    ready = ("wait", "--for=condition=Ready", "nodes", *names, f"--timeout={PATIENCE_SECONDS}s")
    _until(lambda: cluster.kubectl(*ready, timeout=PATIENCE_SECONDS + 5), failure)


def _until(attempt: Callable[[], object], failure: str) -> None:
    """Tries until it succeeds, for what cannot be watched because what would tell is not there yet."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            attempt()
        except (LocalClusterError, FileNotFoundError) as error:
            if time.monotonic() > deadline:
                raise LocalClusterError(f"{failure}\n{error}") from error
            time.sleep(0.1)
        else:
            return


def load(where: ClusterPaths, archives: Iterable[Path]) -> int:
    """Puts images on every node; answers how many imports that took."""
    return nodeimages.load(describe(where, settings(where)).nodes, archives)
