"""The parts common to all calls: deadline, error status, log line, and the name of the server."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

import grpc
import psycopg
from grpc.aio import ServerInterceptor, ServicerContext

from . import NAME
from .errors import InvalidArgumentError, NotFoundError
from .readiness import SERVICE

Context: TypeAlias = "ServicerContext[Any, Any]"
Behaviour = Callable[[object, Context], Awaitable[object]]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

log = logging.getLogger(__name__)
host = socket.gethostname()


class Calls(ServerInterceptor):
    """Wraps the methods of the contract; health and reflection are not wrapped.

    longest: the maximum duration of a call in seconds, also with a later deadline or none.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the wrapped handler of a method."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if not method.startswith(f"/{SERVICE}/") or handler is None or handler.unary_unary is None:
            return handler
        return grpc.unary_unary_rpc_method_handler(
            partial(_answer, self._longest, method, handler.unary_unary),  # type: ignore[arg-type]
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


async def _answer(longest: float, method: str, behaviour: Behaviour, request: object, context: Context) -> object:
    started, remaining = time.perf_counter(), context.time_remaining()
    code = grpc.StatusCode.OK
    context.set_trailing_metadata((("served-by", host),))
    try:
        async with asyncio.timeout(longest if remaining is None else min(remaining, longest)):
            return await behaviour(request, context)
    except asyncio.CancelledError:  # gRPC also cancels a call at its deadline
        late = context.time_remaining() == 0
        code = grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED
        raise
    except Exception as error:
        code, message = refusal(error)
        await context.abort(code, message)
    finally:
        fields = {
            "method": method,
            "code": code.name,
            "ms": _milliseconds(time.perf_counter() - started),
            "deadlineMs": None if remaining is None else _milliseconds(remaining),
        }
        log.info("call", extra={"fields": fields})


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


def refusal(error: Exception) -> tuple[grpc.StatusCode, str]:
    """Return the status and the message for a failed call."""
    match error:
        case InvalidArgumentError():
            return grpc.StatusCode.INVALID_ARGUMENT, str(error)
        case NotFoundError():
            return grpc.StatusCode.NOT_FOUND, str(error)
        case psycopg.OperationalError():
            log.warning("the database does not answer: %s", type(error).__name__)
            return grpc.StatusCode.UNAVAILABLE, f"the database of {NAME} does not answer; try again shortly"
        case TimeoutError():
            return grpc.StatusCode.DEADLINE_EXCEEDED, f"{NAME} could not answer in the time allowed; try again"
        case _:
            log.error("a call failed with an unexpected error", exc_info=error)
            return grpc.StatusCode.INTERNAL, f"internal error in {NAME}; see its log"
