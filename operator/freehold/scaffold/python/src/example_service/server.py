"""The server process: listens immediately, becomes ready with its database, and shuts down gracefully."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import aio

from . import database, readiness, reflection
from .calls import Calls
from .errors import SettingsError
from .service import Notes
from .settings import Settings
from .store import Store
from .v1.notes_pb2_grpc import add_NotesServiceServicer_to_server

GRACE = 10.0
"""Seconds for running calls to end after the server has stopped accepting new ones."""

# Connections end after about four seconds, so that clients resolve the name again and find new servers.
OPTIONS = (
    ("grpc.max_connection_age_ms", 4_000),
    ("grpc.max_connection_age_grace_ms", 10_000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.so_reuseport", 0),
)

log = logging.getLogger(__name__)


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    pool = database.pool(settings.database_url)
    health = aio.HealthServicer()
    await readiness.announce(health, serving=False)
    server = _server(settings, Store(pool), health)
    await server.start()
    log.info("listening", extra={"fields": {"port": settings.grpc_port}})
    await pool.open(wait=False)
    watching = asyncio.create_task(readiness.watch(pool, health))
    await stopping.wait()
    log.info("shutting down")
    await health.enter_graceful_shutdown()
    await server.stop(GRACE)
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    await pool.close()
    log.info("stopped")


def _server(settings: Settings, store: Store, health: aio.HealthServicer) -> grpc.aio.Server:
    calls = Calls(settings.longest_call)
    server = grpc.aio.server(interceptors=(calls,), options=OPTIONS, maximum_concurrent_rpcs=200)
    add_NotesServiceServicer_to_server(Notes(store), server)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection.enable(server, readiness.SERVICE)
    try:
        server.add_insecure_port(f"[::]:{settings.grpc_port}")
    except RuntimeError:
        raise SettingsError(
            f"GRPC_PORT {settings.grpc_port} is taken or not allowed; give this service another port"
        ) from None
    return server
