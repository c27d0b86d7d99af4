"""Snapshot of the cluster for people: the Microservices of some namespaces, and the labels that consent depends on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from freehold.core.model.resources import Key, Object, Service
from freehold.kube import observation
from freehold.kube.client import Api
from freehold.kube.errors import ClusterError, TransientError
from freehold.kube.kinds import MICROSERVICE, NAMESPACE
from freehold.views.errors import Failure

INSTALL = "helm install freehold charts/freehold --namespace freehold-system --create-namespace"


@dataclass(frozen=True)
class Snapshot:
    """Microservices at one moment.

    services: the parsed resources. live: every resource as returned by the API server, invalid resources included.
    notes: sentences about everything that could not be read, and the consequence.
    """

    services: Mapping[Key, Service] = field(default_factory=dict)
    live: Mapping[Key, Object] = field(default_factory=dict)
    namespace_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def status(self, key: Key) -> Object:
        """The status of a resource; empty before the operator's first write."""
        status: Object = self.live[key].get("status", {})
        return status

    def __or__(self, other: Snapshot) -> Snapshot:
        """Both snapshots as one; the other has precedence."""
        return Snapshot(
            {**self.services, **other.services},
            {**self.live, **other.live},
            {**self.namespace_labels, **other.namespace_labels},
            (*self.notes, *other.notes),
        )


async def read(api: Api, namespace: str | None) -> Snapshot:
    """Read a namespace; None reads all namespaces. Raises Failure."""
    listed = await _list(api, namespace)
    services, notes = {}, []
    for live in listed:
        try:
            service = observation.parse(live)
        except observation.InvalidResource as error:
            notes.append(f"{key_of(live)} is left out, because its resource is invalid: {error}")
        else:
            services[service.key] = service
    labels, unread = await _labels(api, namespace)
    return Snapshot(services, {key_of(live): live for live in listed}, labels, (*notes, *unread))


async def read_all(api: Api, namespaces: Iterable[str]) -> Snapshot:
    """Read several namespaces. Raises Failure."""
    snapshot = Snapshot()
    for namespace in sorted(set(namespaces)):
        snapshot |= await read(api, namespace)
    return snapshot


async def read_everything(api: Api, home: str) -> Snapshot:
    """Read all namespaces; without the right, only namespace home and a note. Raises Failure."""
    try:
        return await read(api, None)
    except Failure:
        note = f"no right to read all namespaces: consumers outside {home} are not shown"
        return await read(api, home) | Snapshot(notes=(note,))


def key_of(live: Mapping[str, Any]) -> Key:
    """Namespace and name of a resource."""
    return Key(live["metadata"]["namespace"], live["metadata"]["name"])


async def _list(api: Api, namespace: str | None) -> list[Object]:
    """The resources by namespace and name, without resources under deletion."""
    try:
        listed = [live async for page, _ in api.pages(MICROSERVICE, namespace) for live in page]
    except ClusterError as error:
        raise to_failure(error, namespace) from error
    return sorted((live for live in listed if "deletionTimestamp" not in live["metadata"]), key=key_of)


async def _labels(api: Api, namespace: str | None) -> tuple[dict[str, dict[str, str]], tuple[str, ...]]:
    """The labels of namespaces; without the right to read labels, none and a note."""
    try:
        if namespace is None:
            found = [live async for page, _ in api.pages(NAMESPACE, None) for live in page]
        else:
            live = await api.get(NAMESPACE, None, namespace)
            found = [live] if live else []
    except ClusterError as error:
        if error.status != 403:
            raise to_failure(error, namespace) from error
        scope = f"of namespace {namespace}" if namespace else "of namespaces"
        return {}, (f"no right to read the labels {scope}: consent by selector cannot be judged",)
    return {live["metadata"]["name"]: live["metadata"].get("labels", {}) for live in found}, ()


def to_failure(error: ClusterError, namespace: str | None) -> Failure:
    """The failure for an error of the API server, with the action that corrects it."""
    if isinstance(error, TransientError):
        return Failure(error.message)
    if error.status == 404:
        return Failure(f"the cluster has no Microservices; Freehold is not installed; install it by {INSTALL}")
    if error.status == 401:
        return Failure("the cluster does not accept these credentials; log in again, or choose another --context")
    if error.status == 403:
        return Failure(_missing_right(error.message, namespace))
    return Failure(f"the API server refuses the request: {error.message}")


def _missing_right(message: str, namespace: str | None) -> str:
    """The missing ClusterRole, and the command that binds the role."""
    named = re.search(r'User "([^"]*)"', message)
    user = named[1] if named else "NAME"
    kind, option = ("rolebinding", f" -n {namespace}") if namespace else ("clusterrolebinding", "")
    scope = f"in namespace {namespace}" if namespace else "in all namespaces (-n NAMESPACE reads only one)"
    bind = f"kubectl create {kind} freehold-view --clusterrole=view --user={user}{option}"
    return f"no right to list microservices {scope}; ClusterRole view has it; an administrator binds it by {bind}"
