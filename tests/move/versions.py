"""PostgreSQL of other Debian releases, run from a folder with the release's own libraries; nothing is installed."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from localcluster import paths
from localcluster.images import machine
from localcluster.run import run

OPTIONS = (
    "--quiet",
    "--variant=extract",  # the packages' files, dependencies included, without running any of their programs
    "--format=tar",
    "--dpkgopt=path-exclude=/*",
    "--dpkgopt=path-include=/usr/lib/*",
    "--dpkgopt=path-include=/usr/share/postgresql/*",
    "--dpkgopt=path-exclude=/usr/share/postgresql/*/man/*",
)
FETCH_SECONDS = 1800
WRAPPER = """#!/bin/sh
here=${0%%/*}
library=$here/../../../%(library)s
exec "$library/%(loader)s" --library-path "$library" --argv0 "$0" "$here/../programs/${0##*/}" "$@"
"""
"""Runs a program with the loader and the libraries beside it, wherever the folder is. The program finds its other files
from argv[0]."""


def fetched(version: str, suite: str) -> Path:
    """Return a tar file with a version of PostgreSQL and its libraries from a suite of Debian, fetched on first use.

    Newer packages are not fetched; remove the file from the cache for these.
    """
    command = ["mmdebstrap", *OPTIONS, f"--include=postgresql-{version}", suite]
    digest = hashlib.sha256("\n".join(command).encode()).hexdigest()[:16]
    file = paths.cache() / f"postgresql-{version}-{digest}" / "files.tar"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            settings = Path(folder, "apt.conf")
            settings.write_text(machine.apt_settings())
            made = Path(folder, file.name)
            run([*command, made, f"--aptopt={settings}"], timeout=FETCH_SECONDS)
            made.rename(file)
    return file


def unpacked(file: Path, version: str, folder: Path) -> Path:
    """Unpack a fetched tar file into a folder; return the folder of the programs, for PATH."""
    run(["tar", "-xf", file, "-C", folder, "--no-same-owner", "./usr"], timeout=FETCH_SECONDS)
    home = folder / "usr/lib/postgresql" / version
    (loader,) = (folder / "usr/lib").glob("*/ld-linux*.so.*")
    places = {"library": loader.parent.name, "loader": loader.name}
    programs = (home / "bin").rename(home / "programs")
    (home / "bin").mkdir()
    for program in programs.iterdir():
        wrapper = home / "bin" / program.name
        wrapper.write_text(WRAPPER % places)
        wrapper.chmod(0o755)
    return home / "bin"
