"""The cluster as a whole: up, down, and how it is."""

from __future__ import annotations

import ipaddress
import json
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from . import certificates, cgroups, controlplane, images, network, node, nodeimages, packages, paths, readiness, tools
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
# What must work before the cluster is of use, by namespace. Figures come later, after two rounds.
NEEDED = (("kube-system", "coredns"), ("local-path-storage", "local-path-provisioner"))
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


def alone(where: ClusterPaths) -> AbstractContextManager[None]:
    """Held by whatever changes what a cluster is made of."""
    return locked(where.lock, f"another `up`, `down` or `link` of {where.name}", wait=False)


def up(where: ClusterPaths, *, audit: bool | None = None) -> None:
    """Brings the cluster up, or puts right what is missing of it; does nothing to one that is well."""
    with alone(where):
        with step("tools", "compiled and cached") as progress:
            packages.ensure(progress)
            tools.ensure(tools.CLUSTER_GROUPS, progress)
            progress.detail = f"Kubernetes {tools.kubernetes_version()}, containerd, CoreDNS, metrics-server"
        with step("images", "of the system") as progress:
            archives = images.ensure(SYSTEM_IMAGES, progress)
            progress.detail = ", ".join(SYSTEM_IMAGES)
        with step("cluster") as progress:
            cluster = configure(where, settings(where, audit))
            try:
                _start(cluster, archives.values(), progress)
            except LocalClusterError as error:
                troubles = [trouble for machine in cluster.machines for trouble in machine.troubles()]
                raise LocalClusterError("\n".join([str(error), *troubles])) from error


def _start(cluster: Cluster, archives: Iterable[Path], progress: Step) -> None:
    progress.say("starting the control plane and the nodes")
    for machine in cluster.machines:
        if not machine.has_network():
            machine.stop()
    network.ensure(cluster.network)
    for machine in cluster.nodes:
        if not machine.running():
            # As after a reboot. The kubelet looks for seconds at every group whose processes are gone.
            cgroups.remove(machine.name)
        cgroups.ensure(machine.name)
    for machine in cluster.machines:
        machine.start()
    with ThreadPoolExecutor() as pool:
        loaded = pool.submit(_load_when_ready, cluster, list(archives))
        readiness.api(cluster)
        # Without validation here: it asks for every schema, and waits for metrics-server's while that is not up.
        apply = ("apply", "--server-side", "--force-conflicts", "--validate=false", f"--filename={MANIFESTS}")
        readiness.until(lambda: cluster.kubectl(*apply), f"The manifests in {MANIFESTS} were not taken")
        progress.say("waiting for the nodes")
        loaded.result()
        readiness.nodes(cluster)
    progress.say("waiting for names and volumes")
    readiness.addons(cluster, NEEDED)
    progress.detail = f"{len(ZONES)} nodes, zones {' and '.join(ZONES)}, {policies(cluster.paths)}"


def _load_when_ready(cluster: Cluster, archives: list[Path]) -> None:
    for machine in cluster.nodes:
        readiness.containerd(machine)
    nodeimages.load(cluster.nodes, archives)


def down(where: ClusterPaths) -> None:
    """Ends the cluster and removes all it made: processes, namespaces, links, control groups, data."""
    with alone(where), step("down") as progress:
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


def enforce_policies(where: ClusterPaths, *, on: bool) -> None:
    """Has every node enforce network policies or none of them, until it is chosen otherwise or the cluster ends."""
    if not where.root.exists():
        raise LocalClusterError(f"{where.name} is not up; `python -m localcluster up` brings it up")
    where.policies_off.parent.mkdir(exist_ok=True)
    if on:
        where.policies_off.unlink(missing_ok=True)
    else:
        where.policies_off.touch()
    running = [machine for machine in describe(where, settings(where)).nodes if machine.running()]
    for machine in running:
        readiness.policies(machine, on=on)


def policies(where: ClusterPaths) -> str:
    """Whether network policies are enforced, in words."""
    if where.policies_off.exists():
        return "network policies NOT enforced (`python -m localcluster netpol on` ends that)"
    return "network policies enforced"


def settings(where: ClusterPaths, audit: bool | None = None) -> Settings:
    """The cluster's settings, chosen now if this is its first start; they are kept before anything else is made."""
    file = where.root / "settings.json"
    if file.exists():
        known = _kept(file)
    else:
        # One at a time: two clusters that come up at once must not choose the same addresses.
        with locked(paths.cache() / "locks" / ".addresses", "another cluster's choice of addresses"):
            known = Settings(_new_block(where.name), audit=False)
            _keep(known, file)
    chosen = known if audit is None else replace(known, audit=audit)
    if chosen != known:
        _keep(chosen, file)
    return chosen


def _kept(file: Path) -> Settings:
    return Settings(**json.loads(file.read_text()))


def _keep(chosen: Settings, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(chosen)))
    fresh.replace(file)


def _new_block(name: str) -> str:
    """An address block for a cluster that is new; its namespaces are refused when somebody else has made them."""
    if taken := network.namespaces() & {name, *(f"{name}-{zone}" for zone in ZONES)}:
        raise LocalClusterError(
            f"This machine has network namespaces {', '.join(sorted(taken))}, but {paths.cache()} has no such cluster. "
            "Was it started with another FREEHOLD_CACHE? Use that one with `down`, or give this cluster another --name."
        )
    # Those of clusters that are starting, or were not started since the machine was, are on no interface.
    promised = [_kept(file).host_block for file in paths.cache().glob("cluster*/settings.json")]
    return str(network.free_host_block(promised))


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
    audit_log = where.audit_log if chosen.audit else None
    plane = controlplane.ControlPlane(root, where.pki, plan.api_address, API_PORT, 2379, 2380, audit_log)
    identities = controlplane.identities(plane.address)
    for one in plan.nodes:
        identities += node.identities(one)
    certificates.ensure(where.pki, identities)
    for program in (controlplane.CONTROLLER_MANAGER, controlplane.SCHEDULER):
        certificates.write_kubeconfig(plane.kubeconfig(program), where.pki, program, plane.url, where.name)
    certificates.write_kubeconfig(where.kubeconfig, where.pki, "admin", plane.url, where.name)
    roots = {one: where.machine(one.name) for one in plan.nodes}
    nodes = (
        node.configure(one, root, where.pki, plane.url, where.policies_off, [r for r in roots.values() if r != root])
        for one, root in roots.items()
    )
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


def load(where: ClusterPaths, archives: Iterable[Path]) -> int:
    """Puts images on every node; answers how many imports that took."""
    return nodeimages.load(describe(where, settings(where)).nodes, archives)
