"""Images for one story: an existing image with one more layer of files and another command."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hack.stage import KIND_NAME, Stage
from localcluster import cluster, images
from localcluster.nodeimages import NAME_ANNOTATION
from localcluster.paths import ClusterPaths

LAYER = "application/vnd.oci.image.layer.v1.tar"
Document = dict[str, Any]


def lay(
    stage: Stage, base: str, name: str, folder: Path, files: Mapping[str, bytes], command: Sequence[str] = ()
) -> str:
    """Load an image onto every node: `base` with a layer of files, by their path in the image; return its reference.

    A file named `.wh.NAME` deletes NAME (OCI image-spec, 'Whiteouts'). command: replaces the base's command.
    """
    reference, target = f"localhost/freehold/{name}", folder / f"{name.replace(':', '-')}.tar"
    _write(images.ensure([base])[base], target, reference, _layer(files), list(command))
    if stage.kind == "kind":
        stage.run("kind", "load", "image-archive", target, "--name", KIND_NAME)
    else:
        cluster.load(ClusterPaths(), [target])
    target.unlink()
    return reference


def offering(stage: Stage, tag: str, folder: Path, contract: bytes, how: str) -> str:
    """Load an image that serves a contract by `programs/contract_server.py`; return its reference."""
    program = (Path(__file__).with_name("programs") / "contract_server.py").read_bytes()
    files = {"offering/contract_server.py": program, "offering/contract": contract}
    command = ["/opt/users/bin/python", "/offering/contract_server.py", how]
    return lay(stage, "users", f"offering:{tag}", folder, files, command)


def _layer(files: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as layer:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o644
            layer.addfile(entry, io.BytesIO(content))
    return written.getvalue()


def _write(base: Path, target: Path, reference: str, layer: bytes, command: list[str]) -> None:
    """Write an archive of the base with one more layer (OCI image-spec, 'Image Layout')."""
    with tarfile.open(base) as source, tarfile.open(target, "w") as out:
        blobs = {member.name: member for member in source.getmembers() if member.isfile()}

        def read(digest: str) -> Document:
            opened = source.extractfile(blobs[_path(digest)])
            assert opened
            return dict(json.load(opened))

        index = source.extractfile(blobs["index.json"])
        assert index
        manifest = read(json.load(index)["manifests"][0]["digest"])
        config = read(manifest["config"]["digest"])
        config["rootfs"]["diff_ids"].append(_digest(layer))
        config.pop("history", None)
        if command:
            config["config"] |= {"Entrypoint": command, "Cmd": []}
        configured = json.dumps(config).encode()
        manifest["config"] |= {"digest": _digest(configured), "size": len(configured)}
        manifest["layers"].append({"mediaType": LAYER, "digest": _digest(layer), "size": len(layer)})
        described = json.dumps(manifest).encode()
        named = {"digest": _digest(described), "size": len(described), "annotations": {NAME_ANNOTATION: reference}}
        listed = {"schemaVersion": 2, "manifests": [{"mediaType": manifest["mediaType"], **named}]}
        for name, member in blobs.items():
            if name != "index.json":
                out.addfile(member, source.extractfile(member))
        fresh = {_path(_digest(blob)): blob for blob in (layer, configured, described)}
        for name, blob in {**fresh, "index.json": json.dumps(listed).encode()}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(blob)
            out.addfile(entry, io.BytesIO(blob))


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"
