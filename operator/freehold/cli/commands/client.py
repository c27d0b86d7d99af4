"""Stubs for those who call a service, generated from the contract that it publishes."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from shutil import copyfile, which
from tempfile import TemporaryDirectory

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from freehold.core.protobuf import descriptors
from freehold.core.protobuf.descriptors import Contract
from freehold.views.errors import Failure

PROTOC = "protoc"
PROTOC_GEN_GO, PROTOC_GEN_GO_GRPC = "v1.36.12", "v1.6.2"
PROTOC_JAVA, PROTOC_GEN_GRPC_JAVA = "4.36.2", "1.83.0"
TS_PROTO = "2.18.0"
"""The versions that the shop's services use."""
TS_OPTIONS = "env=node,esModuleInterop=true,forceLong=bigint,outputServices=grpc-js"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
COMMON = "google/"
"""Files of protobuf and of googleapis come with each language's libraries."""


def generate(contract: Contract, language: str, out: Path, *, force: bool) -> list[Path]:
    """Writes the stubs and says which files they are. Raises Failure; then nothing was written."""
    files, found = descriptors.files(contract), _found(language)
    for file in files:
        # They become arguments of protoc, and whoever made the image chose them.
        if not NAME.fullmatch(file.name):
            raise Failure(f"the contract has a file named {file.name!r}, which protoc could take for an option")
    with TemporaryDirectory() as folder:
        given, made = Path(folder, "contract.binpb"), Path(folder, "made")
        given.write_bytes(_descriptor_set(files))
        made.mkdir()
        wanted = [file.name for file in files if language == "node" or not file.name.startswith(COMMON)]
        arguments = [f"--descriptor_set_in={given}", *_outputs(language, found, made, out, wanted), *wanted]
        done = subprocess.run([*_protoc(found), *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure(f"protoc refuses: {done.stderr.strip() or f'exit code {done.returncode}'}")
        return _placed(made, out, force=force)


def _descriptor_set(files: Iterable[FileDescriptor]) -> bytes:
    """The files with all that they import, which the contract may have left out."""
    whole = FileDescriptorSet()
    for file in files:
        whole.file.append(FileDescriptorProto.FromString(file.serialized_pb))
    return whole.SerializeToString()


def _placed(made: Path, out: Path, *, force: bool) -> list[Path]:
    """What was made, moved to where it belongs. Raises Failure where other files are in the way."""
    listed = sorted(one.relative_to(made) for one in made.rglob("*") if one.is_file())
    taken = [one for one in listed if (out / one).exists() and (out / one).read_bytes() != (made / one).read_bytes()]
    if taken and not force:
        named = ", ".join(str(out / one) for one in taken)
        raise Failure(f"nothing was written, for there are others: {named}; --force overwrites them")
    for one in listed:
        (out / one).parent.mkdir(parents=True, exist_ok=True)
        copyfile(made / one, out / one)
    return [out / one for one in listed]


def _outputs(language: str, found: Mapping[str, str], made: Path, out: Path, files: Iterable[str]) -> list[str]:
    """What protoc is to write, and with which plugins."""
    plugins = [f"--plugin={name}={path}" for name, path in found.items() if name != PROTOC]
    match language:
        case "python":
            return [f"--python_out={made}", f"--pyi_out={made}", f"--grpc_python_out={made}"]
        case "go":
            return [*plugins, *_go(made, _go_path(out.absolute()), list(files))]
        case "java":
            return [*plugins, f"--java_out={made}", f"--grpc-java_out={made}"]
        case _:
            return [*plugins, f"--ts_proto_out={made}", f"--ts_proto_opt={TS_OPTIONS}"]


def _go(made: Path, root: str, files: list[str]) -> list[str]:
    """Each file in a package of the caller's own module, whatever the provider's module is called."""
    packages = {file: f"{root}/{file}".rpartition("/")[0] for file in files}
    return [
        option
        for kind in ("go", "go-grpc")
        for option in (
            f"--{kind}_out={made}",
            f"--{kind}_opt=paths=source_relative",
            *(f"--{kind}_opt=M{file}={package}" for file, package in packages.items()),
        )
    ]


def _go_path(out: Path) -> str:
    """The import path of a directory, by the go.mod above it (go.dev/ref/mod, 'Modules, packages, and versions')."""
    for folder in (out, *out.parents):
        file = folder / "go.mod"
        named = re.search(r'^module\s+"?([^\s"]+)"?', file.read_text(), re.MULTILINE) if file.is_file() else None
        if named:
            return "/".join([named[1], *out.relative_to(folder).parts])
    raise Failure(f"{out} is in no Go module; run go mod init in yours, and name a directory within it by --out")


def _needed(language: str) -> dict[str, str]:
    """The programs that are looked for on PATH, each with the command that gets it."""
    match language:
        case "go":
            go, grpc = "google.golang.org/protobuf/cmd/protoc-gen-go", "google.golang.org/grpc/cmd/protoc-gen-go-grpc"
            return {
                "protoc-gen-go": f"go install {go}@{PROTOC_GEN_GO}",
                "protoc-gen-go-grpc": f"go install {grpc}@{PROTOC_GEN_GO_GRPC}",
            }
        case "java":
            plugin = "protoc-gen-grpc-java"
            return {
                PROTOC: _maven("com.google.protobuf:protoc", PROTOC_JAVA),
                plugin: _maven(f"io.grpc:{plugin}", PROTOC_GEN_GRPC_JAVA),
            }
        case "node":
            return {"protoc-gen-ts_proto": f"npm install --global ts-proto@{TS_PROTO}"}
    return {}


def _found(language: str) -> dict[str, str]:
    """Where each of them is. Raises Failure, which says how to get those that are missing."""
    needed = _needed(language)
    found = {program: path for program in needed if (path := which(program))}
    if missing := [program for program in needed if program not in found]:
        commands = "; ".join(needed[program] for program in missing)
        raise Failure(f"not on PATH: {', '.join(missing)}; get what is missing by: {commands}")
    return found


def _protoc(found: Mapping[str, str]) -> list[str]:
    """The compiler; that of grpcio-tools writes everything but Java. Raises Failure."""
    if PROTOC in found:
        return [found[PROTOC]]
    if find_spec("grpc_tools") is None:
        raise Failure("protoc is not there; get it by: pip install 'freehold[client]'")
    return [sys.executable, "-m", "grpc_tools.protoc"]


def _maven(artifact: str, version: str) -> str:
    """The command that puts a program from Maven Central on PATH; protoc's plugins are published there alone."""
    system = {"Linux": "linux", "Darwin": "osx", "Windows": "windows"}.get(platform.system(), "linux")
    machine = {"aarch64": "aarch_64", "arm64": "aarch_64"}.get(platform.machine(), "x86_64")
    name, kind = artifact.rpartition(":")[2], f"{system}-{machine}"
    folder = "$HOME/.local/bin"
    copy = f"mvn dependency:copy -Dartifact={artifact}:{version}:exe:{kind} -DoutputDirectory={folder}"
    return f"{copy} && install -m 755 {folder}/{name}-{version}-{kind}.exe {folder}/{name}"
