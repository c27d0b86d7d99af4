"""The Microservices that the options of a command select."""

from __future__ import annotations

from freehold.cli import output
from freehold.cli.connection import Connection
from freehold.kube.client import Api
from freehold.views import snapshot
from freehold.views.errors import Failure
from freehold.views.snapshot import Snapshot


async def read_selected(api: Api, home: str, connection: Connection) -> Snapshot:
    """Read the selected namespaces. home: the namespace without -A. Raises Failure, also for a missing namespace."""
    found = await snapshot.read(api, None if connection.all_namespaces else home)
    if found.live:
        return found
    if connection.all_namespaces:
        output.note("no Microservice in any namespace")
    elif found.notes or home in found.namespace_labels:
        output.note(f"no Microservice in namespace {home}; -A reads all namespaces")
    else:
        raise Failure(f"namespace {home} does not exist")
    return found
