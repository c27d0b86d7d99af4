"""Runs in a pod: attempts a connection to a port fifty times per second, and prints a line on each change of state.

Usage: python3 - ADDRESS PORT SECONDS < connection_attempts.py. A line contains the new state, `open` or `closed`, and
the age of the attempt in seconds.
"""

import asyncio
import sys
import time

PAUSE = 0.02
PATIENCE = 0.5
"""Seconds until an unanswered attempt counts as `closed`; the kernel would retransmit after a second."""


async def attempt(address: str, port: int) -> tuple[str, float]:
    began = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return "closed", began
    writer.close()
    return "open", began


async def print_changes(attempts: "asyncio.Queue[asyncio.Task[tuple[str, float]]]") -> None:
    """Print changes in the order of the attempts' starts; unanswered attempts end later than answered attempts."""
    before = ""
    while True:
        state, began = await (await attempts.get())
        if state != before:
            print(state, f"{time.monotonic() - began:.4f}", flush=True)
            before = state


async def main(address: str, port: int, seconds: float) -> None:
    attempts: asyncio.Queue[asyncio.Task[tuple[str, float]]] = asyncio.Queue()
    printing = asyncio.create_task(print_changes(attempts))
    end = time.monotonic() + seconds
    while time.monotonic() < end and not printing.done():
        attempts.put_nowait(asyncio.create_task(attempt(address, port)))
        await asyncio.sleep(PAUSE)


asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
