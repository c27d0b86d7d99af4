"""A program for pods that registers people with users at a constant rate, like a consumer.

Arguments: RATE SECONDS PREFIX, the beginning of each email address. The program ends early with its input, and prints
{"acknowledged": [[Unix seconds, id], …], "made": calls, "failed": {error: times}}.
"""

import asyncio
import json
import select
import sys
import time
from collections import Counter
from pathlib import Path

import grpc.aio
from shop.users.v1.users_pb2 import RegisterUserRequest
from shop.users.v1.users_pb2_grpc import UsersServiceStub

BINDING = Path("/bindings/users")
OPTIONS = (
    ("grpc.service_config", (BINDING / "service-config").read_text()),
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
)


async def main(rate: int, seconds: int, prefix: str) -> None:
    acknowledged: list[tuple[float, str]] = []
    failed: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    async with grpc.aio.insecure_channel((BINDING / "uri").read_text(), options=OPTIONS) as channel:
        users = UsersServiceStub(channel)

        async def register(number: int) -> None:
            person = RegisterUserRequest(name="Ada", email=f"{prefix}-{number}@example.org")
            try:
                answer = await users.RegisterUser(person, timeout=5)
                acknowledged.append((time.time(), answer.user.id))
            except grpc.aio.AioRpcError as error:
                failed[f"{error.code().name}: {error.details()}"] += 1

        begun, calls = loop.time(), []
        for number in range(rate * seconds):
            await asyncio.sleep(begun + number / rate - loop.time())
            if select.select([sys.stdin], [], [], 0)[0]:
                break
            calls.append(asyncio.create_task(register(number)))
        await asyncio.gather(*calls)
    print(json.dumps({"acknowledged": acknowledged, "made": len(calls), "failed": failed}))


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
