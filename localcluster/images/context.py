"""Build contexts for images that would otherwise come from a registry: Debian's root file system, and Node.js."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from ..errors import LocalClusterError
from ..run import run
from . import machine

# The modification time of all files and images (2026-01-01), so that equal inputs give equal digests.
EPOCH = 1767225600
SUITE = "bookworm"
NOT_UNPACKED = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*")
DEBIAN = (
    "--variant=minbase",
    "--format=tar",
    # Without this the package usrmerge would be installed, which depends on Perl.
    "--include=usr-is-merged",
    "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
    *(f"--dpkgopt=path-exclude={files}" for files in NOT_UNPACKED),
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    # Logs and caches differ between runs; host name and resolver are the build machine's.
    '--customize-hook=rm -rf "$1"/var/log/* "$1"/var/cache/debconf/* "$1"/var/cache/ldconfig/*'
    ' "$1"/etc/hostname "$1"/etc/resolv.conf',
)


def debian(folder: Path) -> None:
    """Create rootfs.tar: Debian's essential packages and apt."""
    settings = machine.apt_settings()
    hooks: list[str] = []
    if settings:
        (folder / "apt.conf").write_text(settings)
        kept = '"$1"/etc/apt/apt.conf.d/99machine'
        hooks = [f"--setup-hook=cp {folder}/apt.conf {kept}", f"--customize-hook=rm {kept}"]
    command: list[str | Path] = ["mmdebstrap", "--quiet", *DEBIAN, *hooks, SUITE, folder / "rootfs.tar"]
    run(command, env={"SOURCE_DATE_EPOCH": str(EPOCH)}, timeout=1800)


def debian_version() -> str:
    """Return the inputs of the base image. Newer packages do not trigger a rebuild; remove the cache for one."""
    return f"{SUITE} {EPOCH} {DEBIAN}"


def node(folder: Path) -> None:
    """Copy the machine's Node.js and npm."""
    program, npm = _machine_node()
    shutil.copy(program, folder / "node")
    shutil.copytree(npm, folder / "npm")


def node_version() -> str:
    """Return the hash of the machine's Node.js and npm's package.json."""
    program, npm = _machine_node()
    with program.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() + (npm / "package.json").read_text()


def _machine_node() -> tuple[Path, Path]:
    """Return the node program and the folder of npm."""
    programs = [shutil.which(name) for name in ("node", "npm")]
    if not all(programs):
        raise LocalClusterError("Node.js 20 with npm is needed to build the storefront. Install it and run this again.")
    node_program, npm_program = (Path(str(program)).resolve() for program in programs)
    return node_program, npm_program.parents[1]
