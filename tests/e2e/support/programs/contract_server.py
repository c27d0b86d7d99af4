"""A gRPC server that describes a contract by reflection, well or badly, and implements none of it.

    python contract_server.py plain|liar|garbage|mute|crash|curious|answering|late=SECONDS

The file `contract` beside the program is a serialized google.protobuf.FileDescriptorSet; google/protobuf/* may be left
out. `curious` describes in addition, as methods of the service `found.Curious`, which resources the program could
reach. `answering` answers every call with an empty message, and ends gracefully on SIGTERM. Stories build the program
into an image. `late` is silent for some seconds, leaves well on SIGTERM meanwhile, and then serves.
"""

import os
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from google.protobuf import timestamp_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

# A call that arrives while the server stops is cancelled (grpc/grpc#41785), and clients do not repeat cancelled calls.
# Connections end sooner than a terminating pod gets SIGTERM (`endpoint.DRAIN_SECONDS`), so that no call arrives then.
OPTIONS = (("grpc.max_connection_age_ms", 4_000), ("grpc.max_connection_age_grace_ms", 10_000))


class Garbage(reflection_pb2_grpc.ServerReflectionServicer):
    """Answer reflection with bytes that are no descriptor."""

    def ServerReflectionInfo(self, requests, _):
        for request in requests:
            said = reflection_pb2.ServerReflectionResponse(original_request=request)
            if request.list_services:
                said.list_services_response.service.add(name="shop.users.v1.UsersService")
            else:
                said.file_descriptor_response.file_descriptor_proto.append(b"\xff\xff\xff")
            yield said


class Answering(grpc.GenericRpcHandler):
    """Answer every method of the contract."""

    def __init__(self, names):
        self.names = names

    def service(self, details):
        known = details.method.rpartition("/")[0].lstrip("/") in self.names
        return grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"") if known else None


def found() -> FileDescriptorProto:
    """Describe as methods: an open name server, a ServiceAccount token, passwords in the environment; or Nothing."""
    lines = Path("/etc/resolv.conf").read_text().splitlines()
    name_server = next(line.split()[1] for line in lines if line.startswith("nameserver"))
    token = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
    passwords = any("@" in value and "nobody@" not in value for value in os.environ.values())
    seen = {"Way": opens(name_server, 53), "Token": token.exists(), "Password": passwords, "Nothing": True}
    file = FileDescriptorProto(name="found.proto", package="found")
    file.message_type.add(name="Thing")
    curious = file.service.add(name="Curious")
    for name in (name for name, is_there in seen.items() if is_there):
        curious.method.add(name=name, input_type=".found.Thing", output_type=".found.Thing")
    return file


def opens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


def main() -> None:
    how, _, seconds = sys.argv[1].partition("=")
    if how == "late":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        time.sleep(float(seconds))
    if how == "crash":
        sys.exit("no such flag: --offer")
    listed = list(FileDescriptorSet.FromString(Path(__file__).with_name("contract").read_bytes()).file)
    if how == "curious":
        listed.append(found())
    pool = DescriptorPool()
    known = FileDescriptorProto()
    timestamp_pb2.DESCRIPTOR.CopyToProto(known)
    for file in [known, *listed]:
        pool.Add(file)
    names = [f"{file.package}.{service.name}" for file in listed for service in file.service]
    server = grpc.server(ThreadPoolExecutor(4), options=OPTIONS)
    healthy = health.HealthServicer()
    for name in ("", *names):
        healthy.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    if how == "garbage":
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(Garbage(), server)
    elif how != "mute":
        named = [*names, *(["shop.users.v1.Ghost"] if how == "liar" else [])]
        reflection.enable_server_reflection([*named, reflection.SERVICE_NAME], server, pool)
    if how == "answering":
        server.add_generic_rpc_handlers([Answering(names)])
        signal.signal(signal.SIGTERM, lambda *_: server.stop(5))
    server.add_insecure_port(f"[::]:{os.environ['GRPC_PORT']}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
