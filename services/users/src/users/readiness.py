"""Updates the health status: SERVING, or NOT_SERVING after the database was unavailable for two seconds."""

from __future__ import annotations

import asyncio
import logging

import psycopg
from grpc_health.v1.health import aio
from grpc_health.v1.health_pb2 import HealthCheckResponse

from shop.users.v1.users_pb2 import DESCRIPTOR
from users import database
from users.database import Pool

SERVICE = DESCRIPTOR.services_by_name["UsersService"].full_name
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0

log = logging.getLogger("users.readiness")


async def watch(pool: Pool, health: aio.HealthServicer) -> None:
    """Query the database repeatedly, at first often, then every two seconds, until cancelled."""
    serving: bool | None = None
    pause = FIRST_PAUSE
    while True:
        answers = await _answers(pool)
        if answers != serving:
            serving = answers
            await announce(health, serving=serving)
            log.info("ready" if serving else "not ready: the database does not answer; trying again")
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


async def announce(health: aio.HealthServicer, *, serving: bool) -> None:
    """Set the status of the server as a whole (the empty name, used by probes) and of its service."""
    status = HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING
    for name in ("", SERVICE):
        await health.set(name, status)


async def _answers(pool: Pool) -> bool:
    try:
        async with asyncio.timeout(2):
            await database.query(pool, lambda connection: connection.execute("SELECT 1"))
    except (psycopg.Error, TimeoutError):
        return False
    return True
