"""Runs in a pod: knocks at a door fifty times a second, and prints a line whenever it is found otherwise than before.

Usage: python3 - ADDRESS PORT SECONDS < door.py. A line is `open` or `shut`, and how many seconds before it the attempt
began.
"""

import asyncio
import sys
import time

PAUSE = 0.02
PATIENCE = 0.5
"""Seconds until an attempt that nobody answers has found it shut; the kernel would try again after one."""


async def knock(address: str, port: int) -> tuple[str, float]:
    began = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return "shut", began
    writer.close()
    return "open", began


async def tell(knocks: "asyncio.Queue[asyncio.Task[tuple[str, float]]]") -> None:
    """In the order in which they began: one that is never answered ends after the next have."""
    before = ""
    while True:
        found, began = await (await knocks.get())
        if found != before:
            print(found, f"{time.monotonic() - began:.4f}", flush=True)
            before = found


async def main(address: str, port: int, seconds: float) -> None:
    knocks: asyncio.Queue[asyncio.Task[tuple[str, float]]] = asyncio.Queue()
    telling = asyncio.create_task(tell(knocks))
    end = time.monotonic() + seconds
    while time.monotonic() < end and not telling.done():
        knocks.put_nowait(asyncio.create_task(knock(address, port)))
        await asyncio.sleep(PAUSE)


asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
