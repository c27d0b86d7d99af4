"""Answers of pods to the monitors: untrusted, hence bounded in time, bytes and depth, and validated."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from pydantic import TypeAdapter

TIMEOUT_SECONDS = 2.0
Answer = TypeVar("Answer")


async def ask(host: str, port: int, form: TypeAdapter[Answer], max_bytes: int) -> Answer | None:
    """Return the JSON that a pod sends until it closes the connection, in the given form.

    None if the pod is unreachable, sends max_bytes or more, or sends anything of another form. The parser refuses JSON
    of more than 200 levels (docs.pydantic.dev/latest/errors/validation_errors/#recursion_loop), so no answer exhausts
    the stack.
    """
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                await reader.readexactly(max_bytes)
            except asyncio.IncompleteReadError as ended:
                return form.validate_json(ended.partial)
            finally:
                writer.close()
    except (OSError, ValueError):  # includes TimeoutError and ValidationError
        pass
    return None
