"""Tools compiled from pinned Go modules, once per content of go.mod and go.sum.

Each folder `tools/<group>/` is a Go module: its `tool` directives name the commands, its go.sum has the checksums.
A group is compiled into `<cache>/tools/<group>-<hash>/bin`; `<cache>/tools/current/bin` has links to the newest.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import paths
from .errors import LocalClusterError
from .locks import locked
from .progress import Step
from .run import run

SOURCES = Path(__file__).parent / "tools"
# In order of need. kind, kwok, checks and ghz are compiled on request.
CLUSTER_GROUPS = ("kubernetes", "system", "metrics")
DEFAULT_GROUPS = (*CLUSTER_GROUPS, "helm")
GROUPS = (*DEFAULT_GROUPS, "kind", "kwok", "checks", "ghz")
# Compile time in minutes on two cores, for the progress message.
MINUTES = {"kubernetes": 5, "system": 2, "metrics": 2, "helm": 3}
# Commands whose name is not the last element of the module path.
COMMAND_NAMES = {"go.etcd.io/etcd/server/v3": "etcd"}
FLAGS = ("-trimpath", "-buildvcs=false", "-mod=readonly")
COMPONENT_VERSION = "k8s.io/component-base/version"
# Settings of the user must not change the result or require a C compiler.
ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}


@dataclass(frozen=True)
class Group:
    """One go.mod: the commands (package path → command name) and the linker flags with their versions."""

    name: str
    commands: dict[str, str]
    link: str
    digest: str

    @property
    def folder(self) -> Path:
        return paths.tools() / f"{self.name}-{self.digest}"

    @property
    def built(self) -> bool:
        return all((self.folder / "bin" / command).exists() for command in self.commands.values())


def read(name: str) -> Group:
    """Read a group; the digest covers go.mod, go.sum and the compiler flags."""
    module, sums = ((SOURCES / name / file).read_text() for file in ("go.mod", "go.sum"))
    link = link_flags(module)
    digest = hashlib.sha256("\0".join([module, sums, link, *FLAGS]).encode()).hexdigest()[:16]
    return Group(name, commands(module), link, digest)


def commands(module: str) -> dict[str, str]:
    """Return the `tool` directives of a go.mod, each with its command name."""
    block = re.search(r"^tool \(\n(.*?)^\)", module, re.MULTILINE | re.DOTALL)
    packages = block.group(1).split() if block else re.findall(r"^tool (\S+)$", module, re.MULTILINE)
    return {package: COMMAND_NAMES.get(package, package.rsplit("/", 1)[-1]) for package in packages}


def link_flags(module: str) -> str:
    """Return linker flags that omit the symbol tables and set each program's version to the pinned one."""
    values = {}
    if found := re.search(r"k8s\.io/kubernetes (v(\d+)\.(\d+)\.\S+)", module):
        version, major, minor = found.groups()
        names = ("gitVersion", "gitMajor", "gitMinor")
        values = {f"{COMPONENT_VERSION}.{n}": v for n, v in zip(names, (version, major, minor), strict=True)}
    if found := re.search(r"helm\.sh/helm/v4 (v\S+)", module):
        values["helm.sh/helm/v4/internal/version.version"] = found.group(1)
    if found := re.search(r"sigs\.k8s\.io/kwok (v\S+)", module):
        values["sigs.k8s.io/kwok/pkg/consts.Version"] = found.group(1)
    return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in values.items())])


def kubernetes_version() -> str:
    """Return the pinned version of Kubernetes, such as `1.34.4`."""
    found = re.search(r"k8s\.io/kubernetes v(\S+)", (SOURCES / "kubernetes" / "go.mod").read_text())
    if not found:
        raise LocalClusterError(f"{SOURCES}/kubernetes/go.mod does not require k8s.io/kubernetes")
    return found.group(1)


def ensure(names: tuple[str, ...], step: Step) -> None:
    """Compile the groups that are not in the cache, and link all commands into `current/bin`."""
    groups = [read(name) for name in names]
    with locked(paths.tools() / ".lock", "another compilation of the tools"):
        for group in groups:
            if not group.built:
                _compile(group, step)
            _link(group)
    step.detail = ", ".join(command for group in groups for command in group.commands.values())


def gateway_api(kind: str) -> Path:
    """Return the path of a CRD of the Gateway API's standard channel, such as `grpcroutes`, in the pinned module."""
    _check_go()
    module, folder = "sigs.k8s.io/gateway-api", SOURCES / "gatewayapi"
    found = json.loads(run(["go", "mod", "download", "-json", module], cwd=folder, env=ENVIRONMENT, timeout=300))
    return Path(found["Dir"]) / f"config/crd/standard/gateway.networking.k8s.io_{kind}.yaml"


def _compile(group: Group, step: Step) -> None:
    _check_go()
    estimate = f", about {MINUTES[group.name]} minutes on two cores" if group.name in MINUTES else ""
    step.say(f"compiling {group.name} from its Go modules{estimate}")
    work = Path(tempfile.mkdtemp(prefix=f".{group.name}-", dir=paths.tools()))
    try:
        for package, command in group.commands.items():
            step.say(f"compiling {command} ({group.name}{estimate})")
            build: list[str | Path] = ["nice", "-n", "5", "go", "build", *FLAGS, f"-ldflags={group.link}"]
            build += ["-o", work / "bin" / command, package]
            run(build, cwd=SOURCES / group.name, env=ENVIRONMENT, timeout=3600)
        shutil.rmtree(group.folder, ignore_errors=True)
        work.chmod(0o755)
        work.rename(group.folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _check_go() -> None:
    if not shutil.which("go"):
        raise LocalClusterError(
            "Go is needed to compile Kubernetes. Install Go 1.26 or newer (go.dev/dl) and run this again."
        )
    environment = json.loads(run(["go", "env", "-json"]))
    major, minor = (int(part) for part in re.findall(r"\d+", environment["GOVERSION"])[:2])
    if (major, minor) < (1, 21):
        raise LocalClusterError(
            f"{environment['GOVERSION']} is too old to compile Kubernetes {kubernetes_version()}. "
            "Install Go 1.26 or newer (go.dev/dl) and run this again."
        )


def _link(group: Group) -> None:
    paths.tools_bin().mkdir(parents=True, exist_ok=True)
    for command in group.commands.values():
        link, target = paths.tools_bin() / command, group.folder / "bin" / command
        if link.is_symlink() and link.resolve() == target.resolve():
            continue
        fresh = link.with_name(f".{command}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.path.relpath(target, link.parent))
        fresh.replace(link)
