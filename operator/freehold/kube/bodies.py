"""Bodies of answers, read and decoded within bounds of memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp

from freehold.core.model.resources import Object
from freehold.kube.errors import ClusterError, TransientError
from freehold.kube.received import decode

LARGEST = 16 * 1024 * 1024
"""The most bytes of an answer with a single object: etcd's 1.5 MiB, six times longer with escaped characters."""
IN_LOOP = 256 * 1024
"""The most bytes that are decoded in the event loop; more are decoded in a thread."""


class TooLargeError(ClusterError):
    """An answer has more bytes than allowed."""


async def read(response: aiohttp.ClientResponse, largest: int) -> bytes:
    """Return the body of an answer. Raises TooLargeError, and TransientError if the connection breaks."""
    body = bytearray()
    try:
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > largest:
                response.close()
                raise TooLargeError(500, f"the API server's answer has more than {largest} bytes")
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise TransientError(0, f"the API server's answer broke: {error or type(error).__name__}") from error
    return bytes(body)


async def lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield the lines of a stream, empty ones left out.

    Raises TooLargeError for a line of more than LARGEST bytes, and TransientError if the connection breaks or becomes
    silent.
    """
    rest = bytearray()
    try:
        async for chunk in response.content.iter_any():
            *complete, last = chunk.split(b"\n")
            for part in complete:
                line = bytes(rest + part)
                rest.clear()
                if line.strip():
                    yield line
            rest += last
            if len(rest) > LARGEST:
                raise TooLargeError(500, f"a line of the watch has more than {LARGEST} bytes")
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise TransientError(0, f"the watch broke: {error or type(error).__name__}") from error


async def decoded(raw: bytes) -> Object:
    """Return a body as a JSON object. Raises TransientError for any other body."""
    try:
        value = decode(raw) if len(raw) <= IN_LOOP else await asyncio.to_thread(decode, raw)
    except ValueError as error:
        raise TransientError(500, "the API server's answer is no JSON") from error
    if not isinstance(value, dict):
        raise TransientError(500, "the API server's answer is no JSON object")
    return value


async def message_of(response: aiohttp.ClientResponse) -> str:
    """Return the message of a Status object, or the text of another answer."""
    body = await read(response, LARGEST)
    try:
        return str(decode(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip()[:500] or f"HTTP status {response.status}"
