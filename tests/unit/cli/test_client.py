"""Command `client`: generated stubs, missing plugins, and existing files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from freehold.cli.commands import client
from freehold.views import contract
from freehold.views.contract import Offer
from freehold.views.errors import Failure
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tests.contracts.cases import compiled

TEXT = """
syntax = "proto3"; package shop.users.v1; import "google/protobuf/timestamp.proto";
service UsersService { rpc GetUser(GetUserRequest) returns (User); }
message GetUserRequest { string id = 1; }
message User { string id = 1; google.protobuf.Timestamp created = 2; }
"""


def offered(name: str = "shop/users/v1/users.proto") -> Offer:
    """A contract as returned by a server: without the files of protobuf. name: the name of its file."""
    listed = FileDescriptorSet.FromString(compiled(TEXT))
    listed.file[-1].name = name
    return contract.parse_offer(FileDescriptorSet(file=[listed.file[-1]]).SerializeToString(), "users:1")


def test_client_python_stubs_import(tmp_path: Path) -> None:
    """Python stubs can be imported, without any .proto file."""
    written = client.generate(offered(), "python", tmp_path, force=False)
    names = ["users_pb2.py", "users_pb2.pyi", "users_pb2_grpc.py"]
    assert written == [tmp_path / "shop/users/v1" / name for name in names]
    program = (
        "import grpc; from shop.users.v1 import users_pb2, users_pb2_grpc;"
        "users_pb2_grpc.UsersServiceStub(grpc.insecure_channel('localhost:1'));"
        "print(users_pb2.User(id='7').id)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "7\n"


def test_client_overwrites_only_with_force(tmp_path: Path) -> None:
    """Existing files with other contents are replaced only with --force."""
    own, *_ = client.generate(offered(), "python", tmp_path, force=False)
    client.generate(offered(), "python", tmp_path, force=False)  # equal files are no conflict
    own.write_text("mine")
    (tmp_path / "shop/users/v1/users_pb2.pyi").unlink()
    with pytest.raises(Failure, match=r"nothing was written.*users_pb2.py exist and differ; --force overwrites"):
        client.generate(offered(), "python", tmp_path, force=False)
    assert own.read_text() == "mine" and not own.with_suffix(".pyi").exists()
    client.generate(offered(), "python", tmp_path, force=True)
    assert own.read_text() != "mine"


@pytest.mark.parametrize(
    "name", ["--plugin=x.proto", "@users.proto", "../users.proto", "/tmp/users.proto", "a b.proto"]
)
def test_client_refuses_file_names_like_options(name: str, tmp_path: Path) -> None:
    """Names of files in a contract never become options of protoc."""
    with pytest.raises(Failure, match="which protoc could read as an option"):
        client.generate(offered(name), "python", tmp_path, force=False)


@pytest.mark.parametrize(
    ("language", "commands"),
    [
        ("go", ["protoc-gen-go@v1.36.12", "protoc-gen-go-grpc@v1.6.2"]),
        ("java", ["com.google.protobuf:protoc:4.36.2:exe", "io.grpc:protoc-gen-grpc-java:1.83.0:exe"]),
        ("node", ["npm install --global ts-proto@2.18.0"]),
    ],
)
def test_client_missing_plugin_install_command(
    language: str, commands: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing plugin is named with the command that installs the plugin."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure, match=r"^not on PATH: protoc") as error:
        client.generate(offered(), language, tmp_path / "out", force=False)
    assert all(command in str(error.value) for command in commands)
    assert not (tmp_path / "out").exists()


def test_client_go_import_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go stubs belong to the module of their directory."""
    plugins, out = tmp_path / "bin", tmp_path / "shop" / "gen"
    plugins.mkdir()
    for name in ("protoc-gen-go", "protoc-gen-go-grpc"):
        _program(plugins / name)
    monkeypatch.setenv("PATH", str(plugins))
    with pytest.raises(Failure, match="is in no Go module; run go mod init"):
        client.generate(offered(), "go", out, force=False)
    out.parent.mkdir()
    (out.parent / "go.mod").write_text("// the shop\nmodule example.com/shop\n\ngo 1.26\n")
    asked = (plugins / "asked").read_bytes() if client.generate(offered(), "go", out, force=False) == [] else b""
    assert b"Mshop/users/v1/users.proto=example.com/shop/gen/shop/users/v1" in asked


def _program(file: Path) -> None:
    """Write a plugin that stores its request and returns no file (plugin.proto, CodeGeneratorResponse)."""
    file.write_text(
        f"#!{sys.executable}\nimport sys\nopen({str(file.parent / 'asked')!r}, 'wb').write(sys.stdin.buffer.read())\n"
    )
    file.chmod(0o755)
