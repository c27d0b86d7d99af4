"""Tests of reading OCI archives."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from localcluster.errors import LocalClusterError
from localcluster.nodeimages import NAME_ANNOTATION, read_archive


def archive(path: Path, index: dict[str, Any] | None) -> Path:
    with tarfile.open(path, "w") as file:
        if index is not None:
            data = json.dumps(index).encode()
            entry = tarfile.TarInfo("index.json")
            entry.size = len(data)
            file.addfile(entry, io.BytesIO(data))
    return path


def test_read_archive(tmp_path: Path) -> None:
    """The name and the digest are read from the index."""
    manifest = {"digest": "sha256:1", "annotations": {NAME_ANNOTATION: "localhost/freehold/users:dev"}}
    read = read_archive(archive(tmp_path / "users.tar", {"manifests": [manifest]}))
    assert (read.name, read.digest) == ("localhost/freehold/users:dev", "sha256:1")


@pytest.mark.parametrize("index", [None, {"manifests": []}, {"manifests": [{"digest": "sha256:1"}]}])
def test_read_archive_without_name(tmp_path: Path, index: dict[str, Any] | None) -> None:
    """An archive without a named image is refused, with a command that writes a valid one."""
    with pytest.raises(LocalClusterError, match="buildah push"):
        read_archive(archive(tmp_path / "x.tar", index))


def test_read_archive_missing(tmp_path: Path) -> None:
    """A missing archive is reported with its path."""
    with pytest.raises(LocalClusterError, match=r"gone\.tar does not exist"):
        read_archive(tmp_path / "gone.tar")
