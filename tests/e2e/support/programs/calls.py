"""A program for pods that calls a provider at a constant rate, like a consumer in Python, and prints a result as JSON.

Arguments: RATE SECONDS PROVIDER METHOD REQUEST. The request is JSON; each call replaces KEY by a unique value. Failures
are counted by second and error. The program ends early with its input. It depends on the gRPC library, the files below
/bindings and the provider's reflection alone.
"""

import asyncio
import json
import select
import sys
import time
import uuid
from collections import Counter
from pathlib import Path

import grpc
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def options(binding: Path) -> list[tuple[str, object]]:
    return [
        ("grpc.service_config", (binding / "service-config").read_text()),
        ("grpc.dns_min_time_between_resolutions_ms", 1000),
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 3_000),
    ]


def messages(target: str, method: str) -> tuple[type, type]:
    """Return the message classes of a method's request and answer, by reflection."""
    with grpc.insecure_channel(target) as channel:
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        service, _, name = method.rpartition("/")
        found = pool.FindServiceByName(service).methods_by_name[name]
        return tuple(message_factory.GetMessageClass(one) for one in (found.input_type, found.output_type))


async def main(rate: int, seconds: int, provider: str, method: str, text: str) -> None:
    binding = Path("/bindings") / provider
    target = (binding / "uri").read_text()
    request, answer = messages(target, method)
    failed: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    async with grpc.aio.insecure_channel(target, options=options(binding)) as channel:
        made = channel.unary_unary(f"/{method}", request.SerializeToString, answer.FromString)

        async def call() -> None:
            body = json_format.Parse(text.replace("KEY", uuid.uuid4().hex), request())
            try:
                await made(body, timeout=5)
            except grpc.aio.AioRpcError as error:
                failed[f"{time.strftime('%X')} {error.code().name}: {error.details()}"] += 1

        begun, calls = loop.time(), []
        for number in range(rate * seconds):
            await asyncio.sleep(begun + number / rate - loop.time())
            if select.select([sys.stdin], [], [], 0)[0]:
                break
            calls.append(asyncio.create_task(call()))
        await asyncio.gather(*calls)
    print(json.dumps({"made": len(calls), "failed": failed}))


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
