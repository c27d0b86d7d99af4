"""The cluster as a whole: creation, removal, settings, and network policy enforcement."""

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
# The Deployments `up` waits for, by namespace. metrics-server is excluded: it is Ready only after two scrape rounds.
NEEDED = (("kube-system", "coredns"), ("local-path-storage", "local-path-provisioner"))
SYSTEM_NAMESPACES = ("kube-system", "local-path-storage")


@dataclass(frozen=True)
class Settings:
    """Settings chosen at the first `up` and kept, so that later commands use the same addresses."""

    host_block: str
    audit: bool


@dataclass(frozen=True)
class Cluster:
    """One cluster: its files, its network and its machines."""

    paths: ClusterPaths
    network: network.ClusterNetwork
    control: Machine
    nodes: tuple[Machine, ...]

    @property
    def machines(self) -> tuple[Machine, ...]:
        return (self.control, *self.nodes)

    def kubectl(self, *arguments: str | Path, stdin: str | None = None, timeout: float = 60) -> str:
        """Run kubectl as the administrator and return its output."""
        command = [paths.tools_bin() / "kubectl", f"--kubeconfig={self.paths.kubeconfig}", *arguments]
        return run(command, stdin=stdin, timeout=timeout)


def exclusive(where: ClusterPaths) -> AbstractContextManager[None]:
    """Hold the lock of a cluster while its machines or network are changed."""
    return locked(where.lock, f"another `up`, `down` or `link` of {where.name}", wait=False)


def up(where: ClusterPaths, *, audit: bool | None = None) -> None:
    """Create the cluster, or repair missing and stopped parts; leave healthy parts unchanged."""
    with exclusive(where):
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
                failures = [failure for machine in cluster.machines for failure in machine.failures()]
                raise LocalClusterError("\n".join([str(error), *failures])) from error


def _start(cluster: Cluster, archives: Iterable[Path], progress: Step) -> None:
    progress.say("starting the control plane and the nodes")
    for machine in cluster.machines:
        if not machine.has_network():
            machine.stop()
    network.ensure(cluster.network)
    for machine in cluster.nodes:
        if not machine.running():
            # State after a reboot: the kubelet spends seconds on every group without processes.
            cgroups.remove(machine.name)
        cgroups.ensure(machine.name)
    for machine in cluster.machines:
        machine.start()
    with ThreadPoolExecutor() as pool:
        loaded = pool.submit(_load_when_ready, cluster, list(archives))
        readiness.api(cluster)
        # No validation: kubectl would request every schema and wait for metrics-server's API, which is not up yet.
        apply = ("apply", "--server-side", "--force-conflicts", "--validate=false", f"--filename={MANIFESTS}")
        readiness.until(lambda: cluster.kubectl(*apply), f"The manifests in {MANIFESTS} could not be applied")
        progress.say("waiting for the nodes")
        loaded.result()
        readiness.nodes(cluster)
    progress.say("waiting for DNS and volumes")
    readiness.addons(cluster, NEEDED)
    progress.detail = f"{len(ZONES)} nodes, zones {' and '.join(ZONES)}, {policies(cluster.paths)}"


def _load_when_ready(cluster: Cluster, archives: list[Path]) -> None:
    for machine in cluster.nodes:
        readiness.containerd(machine)
    nodeimages.load(cluster.nodes, archives)


def down(where: ClusterPaths) -> None:
    """Stop the cluster and remove everything it created: processes, namespaces, links, control groups, data."""
    with exclusive(where), step("down") as progress:
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
        progress.detail = f"{where.name} is removed; tools and images are kept in {paths.cache()}"


def enforce_policies(where: ClusterPaths, *, on: bool) -> None:
    """Turn network policy enforcement on all nodes on or off, until the next call or until the cluster is removed."""
    if not where.root.exists():
        raise LocalClusterError(f"{where.name} is not running; start it with `python -m localcluster up`")
    where.policies_off.parent.mkdir(exist_ok=True)
    if on:
        where.policies_off.unlink(missing_ok=True)
    else:
        where.policies_off.touch()
    running = [machine for machine in describe(where, settings(where)).nodes if machine.running()]
    for machine in running:
        readiness.policies(machine, on=on)


def policies(where: ClusterPaths) -> str:
    """Return a text about the state of network policy enforcement."""
    if where.policies_off.exists():
        return "network policies NOT enforced (to enforce them: `python -m localcluster netpol on`)"
    return "network policies enforced"


def settings(where: ClusterPaths, audit: bool | None = None) -> Settings:
    """Return the settings of the cluster; at the first call, choose them and write them before any resource exists."""
    file = where.root / "settings.json"
    if file.exists():
        known = _read(file)
    else:
        # Two clusters that start at the same time must not choose the same addresses.
        with locked(paths.cache() / "locks" / ".addresses", "the address allocation of another cluster"):
            known = Settings(_new_block(where.name), audit=False)
            _write(known, file)
    chosen = known if audit is None else replace(known, audit=audit)
    if chosen != known:
        _write(chosen, file)
    return chosen


def _read(file: Path) -> Settings:
    return Settings(**json.loads(file.read_text()))


def _write(chosen: Settings, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(chosen)))
    fresh.replace(file)


def _new_block(name: str) -> str:
    """Return an address block for a new cluster; raise LocalClusterError if its namespaces exist already."""
    if taken := network.namespaces() & {name, *(f"{name}-{zone}" for zone in ZONES)}:
        raise LocalClusterError(
            f"Network namespaces {', '.join(sorted(taken))} exist, but {paths.cache()} has no cluster of that name. "
            "If the cluster uses another FREEHOLD_CACHE, run `down` with that value; otherwise choose another --name."
        )
    # Clusters that are starting, or have been stopped since the last boot, have a block but no interface.
    reserved = [_read(file).host_block for file in paths.cache().glob("cluster*/settings.json")]
    return str(network.free_host_block(reserved))


def describe(where: ClusterPaths, chosen: Settings) -> Cluster:
    """Return the cluster without its configuration: the machines have no services. Reads no certificates."""
    plan = network.plan(where.name, ZONES, ipaddress.IPv4Network(chosen.host_block))
    control = Machine(plan.hub, where.machine("control-plane"), ())
    nodes = (Machine(member.name, where.machine(member.name), ()) for member in plan.nodes)
    return Cluster(where, plan, control, tuple(nodes))


def configure(where: ClusterPaths, chosen: Settings) -> Cluster:
    """Write certificates, kubeconfigs and configuration, and return the cluster; idempotent."""
    plan = network.plan(where.name, ZONES, ipaddress.IPv4Network(chosen.host_block))
    root = where.machine("control-plane")
    audit_log = where.audit_log if chosen.audit else None
    plane = controlplane.ControlPlane(root, where.pki, plan.api_address, API_PORT, 2379, 2380, audit_log)
    identities = controlplane.identities(plane.address)
    for member in plan.nodes:
        identities += node.identities(member)
    certificates.ensure(where.pki, identities)
    for program in (controlplane.CONTROLLER_MANAGER, controlplane.SCHEDULER):
        certificates.write_kubeconfig(plane.kubeconfig(program), where.pki, program, plane.url, where.name)
    certificates.write_kubeconfig(where.kubeconfig, where.pki, "admin", plane.url, where.name)
    roots = {member: where.machine(member.name) for member in plan.nodes}
    nodes = (
        node.configure(member, root, where.pki, plane.url, where.policies_off, [r for r in roots.values() if r != root])
        for member, root in roots.items()
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
    """Import images on every node; return the number of imports."""
    return nodeimages.load(describe(where, settings(where)).nodes, archives)
