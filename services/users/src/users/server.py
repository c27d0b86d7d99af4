"""The life of the server: listens at once, is ready with its database, lets calls end before it leaves."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import aio

from shop.users.v1.users_pb2_grpc import add_UsersServiceServicer_to_server
from users import database, readiness, reflection
from users.calls import Calls
from users.errors import SettingsError
from users.repository import People
from users.service import Users
from users.settings import Settings

GRACE = 10.0
"""Seconds that calls under way have to end after the server stopped taking new ones."""

# Connections end after about half a minute, so that clients look the name up again and find new servers.
# Pings are answered every ten seconds, as this shop's clients send them.
OPTIONS = (
    ("grpc.max_connection_age_ms", 30_000),
    ("grpc.max_connection_age_grace_ms", 10_000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.so_reuseport", 0),
)

log = logging.getLogger("users.server")


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    pool = database.pool(settings.database_url)
    health = aio.HealthServicer()
    await readiness.announce(health, serving=False)
    server = _server(People(pool), health)
    _listen(server, settings.grpc_port)
    await server.start()
    log.info("listening", extra={"fields": {"port": settings.grpc_port}})
    await pool.open(wait=False)
    watching = asyncio.create_task(readiness.watch(pool, health))
    await stopping.wait()
    log.info("leaving")
    await health.enter_graceful_shutdown()
    await server.stop(GRACE)
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    await pool.close()
    log.info("stopped")


def _server(people: People, health: aio.HealthServicer) -> grpc.aio.Server:
    server = grpc.aio.server(interceptors=(Calls(),), options=OPTIONS, maximum_concurrent_rpcs=200)
    add_UsersServiceServicer_to_server(Users(people), server)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection.enable(server, readiness.SERVICE)
    return server


def _listen(server: grpc.aio.Server, port: int) -> None:
    try:
        server.add_insecure_port(f"[::]:{port}")
    except RuntimeError:
        raise SettingsError(
            f"GRPC_PORT {port} is taken or not allowed; give this service another port"
        ) from None
