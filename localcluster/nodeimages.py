"""Imports images from archives into the containerd of each node, unless present."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .errors import LocalClusterError
from .machine import Machine
from .node import CONTAINERD_SOCKET
from .run import run

NAME_ANNOTATION = "org.opencontainers.image.ref.name"
IMPORT_SECONDS = 300.0


@dataclass(frozen=True)
class Archive:
    """An image in an OCI archive: its full name, and the digest of its manifest."""

    path: Path
    name: str
    digest: str


def read_archive(path: Path) -> Archive:
    """Read the index of an OCI archive; raise LocalClusterError if the archive has no image with a name."""
    try:
        with tarfile.open(path) as archive:
            index = archive.extractfile("index.json")
            manifest = json.load(index)["manifests"][0] if index else {}
            return Archive(path, manifest["annotations"][NAME_ANNOTATION], manifest["digest"])
    except FileNotFoundError as error:
        raise LocalClusterError(
            f"{path} does not exist; build the images with `python -m localcluster images`"
        ) from error
    except (tarfile.TarError, KeyError, IndexError, json.JSONDecodeError) as error:
        raise LocalClusterError(
            f"{path} is not an OCI archive with a named image ({error}). "
            "Write the archive with: buildah push IMAGE oci-archive:FILE:localhost/freehold/NAME:TAG"
        ) from error


def load(machines: Iterable[Machine], paths: Iterable[Path]) -> int:
    """Import the archives on all nodes concurrently; return the number of imports."""
    archives = [read_archive(path) for path in paths]
    with ThreadPoolExecutor() as pool:
        return sum(pool.map(lambda machine: _load(machine, archives), machines))


def _load(machine: Machine, archives: list[Archive]) -> int:
    present = _present(machine)
    wanted = [archive for archive in archives if present.get(archive.name) != archive.digest]
    for archive in wanted:
        run([*_ctr(machine), "import", archive.path], timeout=IMPORT_SECONDS)
    return len(wanted)


def _present(machine: Machine) -> dict[str, str]:
    """Return the manifest digest of each image on a node, by image name."""
    rows = (line.split() for line in run([*_ctr(machine), "list"]).splitlines()[1:])
    return {row[0]: row[2] for row in rows if len(row) > 2}


def _ctr(machine: Machine) -> list[str]:
    return machine.enter("ctr", f"--address={CONTAINERD_SOCKET}", "--namespace=k8s.io", "images")
