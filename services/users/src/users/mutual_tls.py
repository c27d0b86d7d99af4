"""Mutual TLS: the server's certificates, and the list of clients that may call the service.

The kubelet updates the directory while the process runs; each handshake and each call reads the files again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from inspect import isasyncgenfunction
from pathlib import Path
from typing import Any

import grpc
from grpc.aio import ServerInterceptor

from users.calls import Context, Handler
from users.errors import SettingsError

MAKERS: dict[tuple[bool, bool], Callable[..., Handler]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}
"""The handler constructors, by whether request and response are streams."""

log = logging.getLogger("users.mutual_tls")


def credentials(directory: Path) -> grpc.ServerCredentials:
    """Return credentials that require a client certificate of a CA in ca.crt; raise SettingsError."""
    try:
        first = _configuration(directory)
    except OSError as error:
        raise SettingsError(
            f"GRPC_TLS_DIR must have tls.crt, tls.key and ca.crt; {error.filename}: {error.strerror}"
        ) from error

    def current() -> grpc.ServerCertificateConfiguration | None:
        try:
            return _configuration(directory)
        except OSError as error:  # the previous certificates stay in use
            log.warning("the certificates cannot be reloaded: %s", error)
            return None

    return grpc.dynamic_ssl_server_credentials(first, current, require_client_authentication=True)  # type: ignore[arg-type]


def _configuration(directory: Path) -> grpc.ServerCertificateConfiguration:
    # Read all three files from one version: the kubelet replaces the version by moving a symbolic link.
    version = (directory / "tls.crt").resolve().parent
    certificate, key, authorities = (
        (version / name).read_bytes() for name in ("tls.crt", "tls.key", "ca.crt")
    )
    return grpc.ssl_server_certificate_configuration([(key, certificate)], authorities)


class Callers(ServerInterceptor):
    """Refuses all calls of clients that are not on the list, including health and reflection."""

    def __init__(self, directory: Path) -> None:
        self._list = directory / "clients"

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the handler of a method, restricted to clients on the list."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        behaviour: Any = (
            handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        )

        async def answer(request: object, context: Context) -> object:
            await self._admit(handler_call_details.method, context)
            if not isasyncgenfunction(behaviour):
                return await behaviour(request, context)
            async for message in behaviour(request, context):
                await context.write(message)
            return None

        make = MAKERS[handler.request_streaming, handler.response_streaming]
        return make(answer, handler.request_deserializer, handler.response_serializer)

    async def _admit(self, method: str, context: Context) -> None:
        # gRPC provides the SPIFFE URI only for certificates with exactly one, as the SPIFFE standard
        # requires.
        caller = b"".join(context.auth_context().get("peer_spiffe_id", ())).decode()
        try:
            listed = caller in self._list.read_text().split()
        except OSError as error:
            log.warning("the list of clients cannot be read: %s", error)
            await context.abort(
                grpc.StatusCode.UNAVAILABLE, "users cannot read its list of clients; try again shortly"
            )
        if not listed:
            log.warning("refused", extra={"fields": {"method": method, "caller": caller}})
            await context.abort(
                grpc.StatusCode.PERMISSION_DENIED,
                f"{caller or 'a certificate without a SPIFFE URI'} may not call users; under Freehold, "
                "list users in its spec.consumes, and let spec.grpc.consumers of users allow it",
            )
