"""What no Dockerfile can fetch on a machine without a registry: Debian's root file system, and Node.js."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from ..errors import LocalClusterError
from ..run import run
from . import machine

# Every file and image bears this time (2026-01-01), so that the same inputs give the same digest.
EPOCH = 1767225600
SUITE = "bookworm"
NOT_UNPACKED = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*")
DEBIAN = (
    "--variant=minbase",
    "--format=tar",
    # Else the package usrmerge comes in, and all of Perl with it.
    "--include=usr-is-merged",
    "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
    *(f"--dpkgopt=path-exclude={files}" for files in NOT_UNPACKED),
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    # Logs and caches differ from run to run; the host name and resolver are this machine's.
    '--customize-hook=rm -rf "$1"/var/log/* "$1"/var/cache/debconf/* "$1"/var/cache/ldconfig/*'
    ' "$1"/etc/hostname "$1"/etc/resolv.conf',
)


def debian(folder: Path) -> None:
    """Makes rootfs.tar: Debian's essential packages and apt."""
    settings = machine.apt_settings()
    hooks: list[str] = []
    if settings:
        (folder / "apt.conf").write_text(settings)
        kept = '"$1"/etc/apt/apt.conf.d/99machine'
        hooks = [f"--setup-hook=cp {folder}/apt.conf {kept}", f"--customize-hook=rm {kept}"]
    command: list[str | Path] = ["mmdebstrap", "--quiet", *DEBIAN, *hooks, SUITE, folder / "rootfs.tar"]
    run(command, env={"SOURCE_DATE_EPOCH": str(EPOCH)}, timeout=1800)


def debian_version() -> str:
    """How the base is made. It is not made again for newer packages: the cache is removed for that."""
    return f"{SUITE} {EPOCH} {DEBIAN}"


def node(folder: Path) -> None:
    """Copies the machine's Node.js and npm."""
    program, npm = _machine_node()
    shutil.copy(program, folder / "node")
    shutil.copytree(npm, folder / "npm")


def node_version() -> str:
    """The content of the machine's Node.js, and npm's version."""
    program, npm = _machine_node()
    with program.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() + (npm / "package.json").read_text()


def _machine_node() -> tuple[Path, Path]:
    """The program itself, and the folder of npm."""
    programs = [shutil.which(name) for name in ("node", "npm")]
    if not all(programs):
        raise LocalClusterError("Node.js 20 with npm is needed to build the storefront. Install it and run this again.")
    node_program, npm_program = (Path(str(program)).resolve() for program in programs)
    return node_program, npm_program.parents[1]
