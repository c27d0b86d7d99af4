"""A remote API server for tests: answers that a test chooses, over TLS."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from aiohttp import web
from freehold.core.certificates.plan import Request
from freehold.core.model.resources import Object
from freehold.kube.certificate_authority import CertificateAuthority, generate
from freehold.kube.cluster_registry import Cluster

HOST = "localhost"
LABELS = {
    "app.kubernetes.io/instance": "users",
    "app.kubernetes.io/component": "service",
    "app.kubernetes.io/managed-by": "freehold",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@cache
def authority() -> CertificateAuthority:
    return CertificateAuthority(generate(datetime.now(UTC).replace(microsecond=0)))


def registered(server: str, *pod_cidrs: str, **fields: object) -> Cluster:
    """Return a registration of the test's server."""
    body = {"server": server, "certificateAuthority": authority().public.trusted, "tlsServerName": HOST}
    return Cluster.model_validate({**body, "podCIDRs": pod_cidrs or ["10.2.0.0/16"], **fields})


@asynccontextmanager
async def serving(handler: Handler, folder: Path) -> AsyncIterator[str]:
    """Serve over TLS for the duration of the block; yield `https://127.0.0.1:port`."""
    issued = authority().issue(Request("x", "service", (HOST,)), datetime.now(UTC).replace(microsecond=0))
    (folder / "tls.crt").write_text(issued.certificate)
    (folder / "tls.key").write_text(issued.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def listing(*items: object, **metadata: str) -> Object:
    return {"metadata": {"resourceVersion": "1", **metadata}, "items": items}


def metadata(name: str, **fields: object) -> Object:
    return {"name": name, "namespace": "shop", "uid": f"uid-{name}", "resourceVersion": "1", **fields}


def pod(name: str, address: object, **fields: object) -> Object:
    """Return a ready pod of users."""
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"}]
    status = {"phase": "Running", "podIP": address, "conditions": conditions}
    return {"metadata": metadata(name, labels=LABELS), "status": status, **fields}
