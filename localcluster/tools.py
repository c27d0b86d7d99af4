"""Tools compiled from pinned Go modules, once for each content of their go.mod and go.sum.

Each folder `tools/<group>/` is a Go module whose `tool` directives name the commands and whose go.sum checks every
byte. A group is compiled into `<cache>/tools/<group>-<hash>/bin`; `<cache>/tools/current/bin` links to the newest.
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
# In the order in which they are wanted. kind, kwok, checks and ghz are compiled when asked for.
CLUSTER_GROUPS = ("kubernetes", "system", "metrics")
DEFAULT_GROUPS = (*CLUSTER_GROUPS, "helm")
GROUPS = (*DEFAULT_GROUPS, "kind", "kwok", "checks", "ghz")
# How long a group takes on two cores, for the line that is shown while it compiles.
MINUTES = {"kubernetes": 5, "system": 2, "metrics": 2, "helm": 3}
# The module's last path element is not always the command's name.
COMMAND_NAMES = {"go.etcd.io/etcd/server/v3": "etcd"}
FLAGS = ("-trimpath", "-buildvcs=false", "-mod=readonly")
COMPONENT_VERSION = "k8s.io/component-base/version"
# Whatever the user has set must neither change the result nor need a compiler for C.
ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}


@dataclass(frozen=True)
class Group:
    """One go.mod: what it compiles (package path → command name), and the linker flags that carry versions."""

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
    """Reads a group's pins; its digest covers the pins, the checksums, and how it is compiled."""
    module, sums = ((SOURCES / name / file).read_text() for file in ("go.mod", "go.sum"))
    link = link_flags(module)
    digest = hashlib.sha256("\0".join([module, sums, link, *FLAGS]).encode()).hexdigest()[:16]
    return Group(name, commands(module), link, digest)


def commands(module: str) -> dict[str, str]:
    """The `tool` directives of a go.mod, each with the name of the command it becomes."""
    block = re.search(r"^tool \(\n(.*?)^\)", module, re.MULTILINE | re.DOTALL)
    packages = block.group(1).split() if block else re.findall(r"^tool (\S+)$", module, re.MULTILINE)
    return {package: COMMAND_NAMES.get(package, package.rsplit("/", 1)[-1]) for package in packages}


def link_flags(module: str) -> str:
    """No symbol tables, and the version that each program reports, which is read from its pin."""
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
    """The pinned version of Kubernetes, such as `1.34.4`."""
    found = re.search(r"k8s\.io/kubernetes v(\S+)", (SOURCES / "kubernetes" / "go.mod").read_text())
    if not found:
        raise LocalClusterError(f"{SOURCES}/kubernetes/go.mod does not require k8s.io/kubernetes")
    return found.group(1)


def ensure(names: tuple[str, ...], step: Step) -> None:
    """Compiles the groups that are not in the cache, and links all of them into `current/bin`."""
    groups = [read(name) for name in names]
    with locked(paths.tools() / ".lock", "another compilation of the tools"):
        for group in groups:
            if not group.built:
                _compile(group, step)
            _link(group)
    step.detail = ", ".join(command for group in groups for command in group.commands.values())


def gateway_api(kind: str) -> Path:
    """The file with a definition of the Gateway API's standard channel, like `grpcroutes`, from its pinned module."""
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
