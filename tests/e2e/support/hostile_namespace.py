"""What a tenant with the role `edit` in one namespace can write to hurt the operator and other tenants."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from google.protobuf import descriptor_pb2

from tests.e2e.support.cluster import Object, Space
from tests.e2e.support.connection_attempts import stranger
from tests.e2e.support.microservices import IMAGES, idle, microservice

MANAGED = "app.kubernetes.io/managed-by"
JUNK_BYTES = 900_000
DEPTH = 1500
"""Levels of nested JSON, which the API server accepts and Python's parser does not."""
ALIASES = 9
"""Levels of YAML aliases; each repeats the level below ten times."""
RETRY_SECONDS = 0.2
FIELDS = descriptor_pb2.FieldDescriptorProto
ANSWERS = {9404: "[" * 2000, 9403: "[1]"}
"""Answers that a monitor of the operator does not expect, by the port that the monitor asks."""
SERVE = """
import socket, sys, threading
def serve(port, answer):
    listener = socket.create_server(("", port))
    while True:
        connection, _ = listener.accept()
        connection.sendall(answer.encode())
        connection.close()
for port, answer in {answers!r}.items():
    threading.Thread(target=serve, args=(port, answer)).start()
"""


def nested(namespace: str) -> str:
    """Return a ConfigMap whose managedFields are nested too deep for most parsers, as JSON."""
    fields = '{"f:data":' + '{"f:a":' * DEPTH + "{}" + "}" * (DEPTH + 1)
    manager = {"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1"}
    metadata = {"name": "nested", "namespace": namespace, "labels": {MANAGED: "freehold"}}
    metadata["managedFields"] = [{**manager, "time": "2026-01-01T00:00:00Z", "fieldsV1": "FIELDS"}]
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}).replace('"FIELDS"', fields)


def junk(number: int) -> Object:
    """Return a large ConfigMap with Freehold's label and without a Microservice."""
    metadata = {"name": f"junk-{number}", "labels": {MANAGED: "freehold", "app.kubernetes.io/instance": "junk"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"x": "x" * JUNK_BYTES}}


def floods(consumers: int, provider: str, namespace: str) -> list[Object]:
    """Return consumers with long names of another tenant's provider."""
    consumed = [{"name": provider, "namespace": namespace}]
    return [idle(f"{'c' * 30}{number:05d}", consumes=consumed) for number in range(consumers)]


def aliases() -> list[Object]:
    """Return a service in a remote cluster whose kubeconfig expands to gigabytes."""
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{level}: &a{level} [{','.join([f'*a{level - 1}'] * 10)}]" for level in range(1, ALIASES)]
    lines += [f"clusters: [{{name: it, cluster: {{server: *a{ALIASES - 1}}}}}]"]
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "west"},
        "stringData": {"value": "\n".join(lines)},
    }
    return [secret, idle("remote", placement={"cluster": "west"})]


def contracts(service: str) -> list[Object]:
    """Return a provider, its consumer, and contracts that stand for what two images of the provider offer."""
    images = [f"registry.invalid/{service}:{tag}" for tag in (1, 2)]
    consumer = idle(f"{service}-consumer", consumes=[{"name": service}])
    published = [_contract(service, image, which) for which, image in enumerate(images)]
    return [idle(service, image=images[0]), consumer, *published]


def _contract(service: str, image: str, which: int) -> Object:
    file = descriptor_pb2.FileDescriptorProto(name="a.proto", package="a", syntax="proto2")
    message = file.message_type.add(name="M")
    if service == "crash":  # protoc refuses a default of a repeated field; upb reads memory that is not its own
        message.field.add(name="b", number=1, type=FIELDS.TYPE_STRING, label=FIELDS.LABEL_REPEATED, default_value="x")
    else:
        for number in range(6000):
            name = f"{'ab'[which]}{number}"
            message.field.add(name=name, number=number + 1, type=FIELDS.TYPE_INT32, label=FIELDS.LABEL_OPTIONAL)
    file.service.add(name="S").method.add(name="Do", input_type=".a.M", output_type=".a.M")
    content = descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString()
    text = base64.b64encode(content).decode()
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"{service}-contract-{_digest(image)}",
            "labels": {MANAGED: "freehold", "app.kubernetes.io/instance": service},
            "annotations": {"freehold.dev/content": _digest(text)},
        },
        "binaryData": {"descriptor-set": text},
    }


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:10]


def escapes(namespace: str) -> Object:
    """Return a service whose image holds terminal control sequences; the API server may refuse the resource."""
    service = idle("escapes", image="x\u001b]52;c;cm0gLXJm\u0007\u001b[2J")
    service["metadata"]["namespace"] = namespace
    return service


def answering(service: str) -> list[Object]:
    """Return a service in audit mode and a pod in place of its own, with answers that the monitors do not expect."""
    labels = {MANAGED: "freehold", "app.kubernetes.io/instance": service, "app.kubernetes.io/component": "service"}
    command = ["/opt/users/bin/python", "-c", SERVE.format(answers=ANSWERS)]
    pods = [stranger(name, IMAGES["users"], labels, command) for name in (f"{service}-database-proxy-0", service)]
    return [idle(service, isolation="Audit"), *pods]


@contextmanager
def undoing(space: Space) -> Iterator[None]:
    """Change an object that the operator writes, and the place of a service, again and again during the block."""
    space.apply(idle("undone"), microservice("waker", image=IMAGES["users"], grpc={}, replicas=0))
    stop = threading.Event()

    def undo() -> None:
        turn = 0
        while not stop.wait(RETRY_SECONDS):
            turn += 1
            space.cluster.tried("-n", space.name, "delete", "networkpolicy/undone", "--ignore-not-found")
            place = {"placement": {"namespace": f"elsewhere-{turn % 2}"}}
            space.cluster.tried(
                *("-n", space.name, "patch", "microservice/waker", "--type=merge", "-p", json.dumps({"spec": place}))
            )

    thread = threading.Thread(target=undo)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
