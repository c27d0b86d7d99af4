"""Services made by `freehold new`, in each language."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from freehold.cli.commands import new

from tests.e2e.support.cluster import Space
from tests.e2e.support.microservices import users
from tests.e2e.support.operator_process import FREEHOLD
from tests.e2e.support.pod_exec import python

pytestmark = pytest.mark.first

TEMPLATES = Path(str(new.TEMPLATES))
SLICE = ("python",)
"""The language of every run; `make campaign` tries all."""
LANGUAGES = sorted(folder.name for folder in TEMPLATES.iterdir() if folder.is_dir() and folder.name != "common")
CALL = """
import json, os, sys
import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

asked = json.load(sys.stdin)
channel = grpc.insecure_channel(os.environ[asked["target"]])
service = DescriptorPool(ProtoReflectionDescriptorDatabase(channel)).FindServiceByName(asked["service"])
for name, request in asked["calls"]:
    method = service.methods_by_name[name]
    message = json_format.ParseDict(request, GetMessageClass(method.input_type)())
    call = channel.unary_unary(
        f"/{service.full_name}/{name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    try:
        print(json.dumps(json_format.MessageToDict(call(message, timeout=5, wait_for_ready=True))))
    except grpc.RpcError as error:
        print(json.dumps([error.code().name, error.details()]))
"""
"""A program that reads the messages by reflection, so that it needs no stubs, and prints the answer of each call."""


@pytest.mark.timeout(1500)  # a first build downloads the language's packages
@pytest.mark.parametrize(
    "language",
    [pytest.param(name, marks=() if name in SLICE else pytest.mark.campaign) for name in LANGUAGES],
)
def test_scaffold_new_service(yard: Space, language: str, tmp_path: Path) -> None:
    """A service of `freehold new` passes its own tests, becomes Ready unchanged, and answers at its endpoint."""
    name = f"note-book-{language}"
    folder = tmp_path / name
    _run(FREEHOLD, "new", name, f"--lang={language}", f"--out={tmp_path}")
    _run("make", "lint", "test", where=folder)
    yard.cluster.stage.put_on_nodes(folder)

    yard.kubectl("apply", "-f", str(folder / "microservice.yaml"))
    yard.apply(users("reader", consumes=[{"name": name}]))
    yard.until_ready(name, "reader", within=240)

    forms = new.forms(name)
    note = {"id": "shopping", "text": "milk and bread"}
    calls = [("PutNote", note), ("PutNote", note), ("GetNote", {"id": "shopping"}), ("GetNote", {"id": "absent"})]
    asked = {
        "target": f"{forms['EXAMPLE_SERVICE']}_GRPC_TARGET",
        "service": f"{forms['example_service']}.v1.NotesService",
        "calls": calls,
    }
    answers = python(yard, "deployment/reader", CALL, json.dumps(asked)).splitlines()
    assert list(map(json.loads, answers)) == [{"note": note}] * 3 + [["NOT_FOUND", "no note has the id absent"]]
    assert yard.psql(name, "select text from notes") == "milk and bread"
    logged = map(json.loads, yard.kubectl("logs", f"deployment/{name}").splitlines())
    called = [line["method"].rpartition("/")[2] for line in logged if line.get("message") == "call"]
    assert called == [method for method, _ in calls]


def _run(*command: str | Path, where: Path | None = None) -> None:
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
