"""Server reflection for clients without the contract, such as grpcurl."""

from __future__ import annotations

import grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_reflection.v1alpha import reflection, reflection_pb2

NAME = "grpc.reflection.v1.ServerReflection"


def enable(server: grpc.aio.Server, service: str) -> None:
    """Enable version v1 and, for older clients, v1alpha.

    The library implements v1alpha only. The messages of v1 are identical on the wire; one servicer serves both.
    """
    names = (service, HEALTH, NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    answer = grpc.stream_stream_rpc_method_handler(
        reflection.aio.ReflectionServicer(names).ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, {"ServerReflectionInfo": answer}),))
