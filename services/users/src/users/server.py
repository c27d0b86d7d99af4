"""The server process: listens immediately, becomes ready with its database, and shuts down gracefully."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import aio

from shop.users.v1.users_pb2_grpc import add_UsersServiceServicer_to_server
from users import database, mutual_tls, readiness, reflection
from users.calls import Calls
from users.errors import SettingsError
from users.repository import People
from users.service import Users
from users.settings import Settings

MOST_CALLS = 1_000
"""The maximum number of concurrent calls: those of a few seconds, which wait during database outages."""
GRACE = 10.0
"""Seconds for running calls to end after the server has stopped accepting new ones."""

# Connections end after about four seconds, so that clients resolve the name again and find new servers.
# The shop's clients send pings every ten seconds.
OPTIONS = (
    ("grpc.max_connection_age_ms", 4_000),
    ("grpc.max_connection_age_grace_ms", 10_000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.so_reuseport", 0),
)

PLAINTEXT = grpc.insecure_server_credentials()

log = logging.getLogger("users.server")


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    pool = database.pool(settings.database_url)
    health = aio.HealthServicer()
    await readiness.announce(health, serving=False)
    servers = _servers(settings, People(pool), health)
    for server in servers:
        await server.start()
    log.info("listening", extra={"fields": {"port": settings.grpc_port}})
    await pool.open(wait=False)
    watching = asyncio.create_task(readiness.watch(pool, health))
    await stopping.wait()
    log.info("shutting down")
    await health.enter_graceful_shutdown()
    await asyncio.gather(*(server.stop(GRACE) for server in servers))
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    await pool.close()
    log.info("stopped")


def _servers(settings: Settings, people: People, health: aio.HealthServicer) -> list[grpc.aio.Server]:
    directory = settings.tls_directory
    calls = Calls(settings.longest_call)
    interceptors = (mutual_tls.Callers(directory), calls) if directory else (calls,)
    main = grpc.aio.server(interceptors=interceptors, options=OPTIONS, maximum_concurrent_rpcs=MOST_CALLS)
    add_UsersServiceServicer_to_server(Users(people), main)
    health_pb2_grpc.add_HealthServicer_to_server(health, main)
    reflection.enable(main, readiness.SERVICE)
    _listen(
        main, "GRPC_PORT", settings.grpc_port, mutual_tls.credentials(directory) if directory else PLAINTEXT
    )
    if settings.health_port is None:
        return [main]
    probed = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=20)  # probes use no TLS
    health_pb2_grpc.add_HealthServicer_to_server(health, probed)
    _listen(probed, "GRPC_HEALTH_PORT", settings.health_port, PLAINTEXT)
    return [main, probed]


def _listen(server: grpc.aio.Server, name: str, port: int, credentials: grpc.ServerCredentials) -> None:
    try:
        server.add_secure_port(f"[::]:{port}", credentials)
    except RuntimeError:
        message = f"{name} {port} is taken or not allowed; give this service another port"
        if credentials is not PLAINTEXT:
            message += ", or provide matching files in GRPC_TLS_DIR"
        raise SettingsError(message) from None
