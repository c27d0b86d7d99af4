"""Command `client`: client stubs, generated from the published contract of a service."""

from __future__ import annotations

import asyncio
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from shutil import copyfile, which
from tempfile import TemporaryDirectory

from freehold.cli import output
from freehold.cli.connection import Connection
from freehold.views import contract as contracts
from freehold.views.contract import Offer, Offers
from freehold.views.errors import Failure

PROTOC = "protoc"
PROTOC_GEN_GO, PROTOC_GEN_GO_GRPC = "v1.36.12", "v1.6.2"
PROTOC_JAVA, PROTOC_GEN_GRPC_JAVA = "4.36.2", "1.83.0"
TS_PROTO = "2.18.0"
"""The versions in the example services."""
TS_OPTIONS = "env=node,esModuleInterop=true,forceLong=bigint,outputServices=grpc-js"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
COMMON = "google/"
"""Files of protobuf and googleapis are part of each language's libraries."""


def run(connection: Connection, name: str, language: str, out: Path, *, force: bool) -> int:
    """Write the stubs and print their paths."""
    offers = asyncio.run(_read(connection, name))
    written = generate(offers.serving, language, out, force=force)
    output.plain(f"{offers.service.key} as offered by {offers.serving.source}:", *(f"  {file}" for file in written))
    return 0


async def _read(connection: Connection, name: str) -> Offers:
    async with connection.open() as (api, home):
        return await contracts.read(api, home, name)


def generate(offer: Offer, language: str, out: Path, *, force: bool) -> list[Path]:
    """Write the stubs and return their paths. Raises Failure before the first file is written."""
    programs = _find_programs(language)
    files, file_names = contracts.files(offer)
    for name in file_names:
        # File names become arguments of protoc, and the image chose the names.
        if not NAME.fullmatch(name):
            raise Failure(f"the contract has a file named {name!r}, which protoc could read as an option")
    with TemporaryDirectory() as folder:
        given, generated = Path(folder, "contract.binpb"), Path(folder, "generated")
        given.write_bytes(files)
        generated.mkdir()
        names = [name for name in file_names if language == "node" or not name.startswith(COMMON)]
        arguments = [f"--descriptor_set_in={given}", *_outputs(language, programs, generated, out, names), *names]
        done = subprocess.run([*_protoc(programs), *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure(f"protoc refuses the contract: {done.stderr.strip() or f'exit code {done.returncode}'}")
        return _copy(generated, out, force=force)


def _copy(generated: Path, out: Path, *, force: bool) -> list[Path]:
    """Copy generated files to their directory. Raises Failure if files with other contents exist."""
    targets = {file: out / file.relative_to(generated) for file in sorted(generated.rglob("*")) if file.is_file()}
    differ = [to for file, to in targets.items() if to.exists() and to.read_bytes() != file.read_bytes()]
    if differ and not force:
        raise Failure(f"nothing was written: {', '.join(map(str, differ))} exist and differ; --force overwrites them")
    for file, to in targets.items():
        to.parent.mkdir(parents=True, exist_ok=True)
        copyfile(file, to)
    return [*targets.values()]


def _outputs(language: str, programs: Mapping[str, str], generated: Path, out: Path, files: Iterable[str]) -> list[str]:
    """The arguments of protoc for outputs and plugins."""
    plugins = [f"--plugin={name}={path}" for name, path in programs.items() if name != PROTOC]
    match language:
        case "python":
            return [f"--python_out={generated}", f"--pyi_out={generated}", f"--grpc_python_out={generated}"]
        case "go":
            return [*plugins, *_go(generated, _go_path(out.absolute()), list(files))]
        case "java":
            return [*plugins, f"--java_out={generated}", f"--grpc-java_out={generated}"]
        case _:
            return [*plugins, f"--ts_proto_out={generated}", f"--ts_proto_opt={TS_OPTIONS}"]


def _go(generated: Path, root: str, files: list[str]) -> list[str]:
    """The options for Go: all files in packages of the caller's module. root: an import path."""
    packages = {file: f"{root}/{file}".rpartition("/")[0] for file in files}
    return [
        option
        for kind in ("go", "go-grpc")
        for option in (
            f"--{kind}_out={generated}",
            f"--{kind}_opt=paths=source_relative",
            *(f"--{kind}_opt=M{file}={package}" for file, package in packages.items()),
        )
    ]


def _go_path(out: Path) -> str:
    """The import path of a directory, by the nearest go.mod (go.dev/ref/mod, 'Modules, packages, and versions')."""
    for folder in (out, *out.parents):
        file = folder / "go.mod"
        module = re.search(r'^module\s+"?([^\s"]+)"?', file.read_text(), re.MULTILINE) if file.is_file() else None
        if module:
            return "/".join([module[1], *out.relative_to(folder).parts])
    raise Failure(f"{out} is in no Go module; run go mod init, and name a directory of the module with --out")


def _needed(language: str) -> dict[str, str]:
    """The programs required on PATH, with the commands that install them."""
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


def _find_programs(language: str) -> dict[str, str]:
    """The paths of the required programs. Raises Failure, with the commands that install missing programs."""
    needed = _needed(language)
    found = {program: path for program in needed if (path := which(program))}
    if missing := [program for program in needed if program not in found]:
        commands = "; ".join(needed[program] for program in missing)
        raise Failure(f"not on PATH: {', '.join(missing)}; install them by: {commands}")
    return found


def _protoc(programs: Mapping[str, str]) -> list[str]:
    """The command of protoc; without a program on PATH, protoc of grpcio-tools (no Java). Raises Failure."""
    if PROTOC in programs:
        return [programs[PROTOC]]
    if find_spec("grpc_tools") is None:
        raise Failure("protoc is not installed; install it by: pip install 'freehold[client]'")
    return [sys.executable, "-m", "grpc_tools.protoc"]


def _maven(artifact: str, version: str) -> str:
    """The command that installs a program from Maven Central, the only publisher of these plugins."""
    system = {"Linux": "linux", "Darwin": "osx", "Windows": "windows"}.get(platform.system(), "linux")
    machine = {"aarch64": "aarch_64", "arm64": "aarch_64"}.get(platform.machine(), "x86_64")
    name, kind = artifact.rpartition(":")[2], f"{system}-{machine}"
    folder = "$HOME/.local/bin"
    copy = f"mvn dependency:copy -Dartifact={artifact}:{version}:exe:{kind} -DoutputDirectory={folder}"
    return f"{copy} && install -m 755 {folder}/{name}-{version}-{kind}.exe {folder}/{name}"
