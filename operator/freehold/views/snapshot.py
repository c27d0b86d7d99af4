"""What a command sees of the cluster: the Microservices of some namespaces, and what their consent hangs on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from freehold.core.model.resources import Key, Object, Service
from freehold.kube import observation
from freehold.kube.client import Api
from freehold.kube.errors import ClusterError, TransientError
from freehold.kube.kinds import MICROSERVICE, NAMESPACE
from freehold.views.errors import Failure

INSTALL = "helm install freehold charts/freehold --namespace freehold-system --create-namespace"


@dataclass(frozen=True)
class Picture:
    """notes: what could not be read, and what follows. live: each resource as the API server gave it."""

    services: Mapping[Key, Service] = field(default_factory=dict)
    live: Mapping[Key, Object] = field(default_factory=dict)
    namespace_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def status(self, key: Key) -> Object:
        status: Object = self.live[key].get("status", {})
        return status

    def __or__(self, other: Picture) -> Picture:
        return Picture(
            {**self.services, **other.services},
            {**self.live, **other.live},
            {**self.namespace_labels, **other.namespace_labels},
            (*self.notes, *other.notes),
        )


async def read(api: Api, namespace: str | None) -> Picture:
    """One namespace, or with None all of them. Raises Failure."""
    listed = await _list(api, namespace)
    services, notes = {}, []
    for live in listed:
        try:
            service = observation.parse(live)
        except observation.InvalidResource as error:
            notes.append(f"{_key(live)} cannot be read and is left out: {error}")
        else:
            services[service.key] = service
    labels, unread = await _labels(api, namespace)
    return Picture(services, {_key(live): live for live in listed}, labels, (*notes, *unread))


async def read_all(api: Api, namespaces: Iterable[str]) -> Picture:
    """Several namespaces. Raises Failure."""
    whole = Picture()
    for namespace in sorted(set(namespaces)):
        whole |= await read(api, namespace)
    return whole


def find(name: str, home: str, known: Iterable[Key]) -> Key:
    """The service called `name`, or `namespace/name`. Raises Failure, which names those that may have been meant."""
    namespace, _, own = name.rpartition("/")
    key, listed = Key(namespace or home, own), list(known)
    if key in listed:
        return key
    raise Failure(f"there is no service {own} in namespace {key.namespace}{instead(key, listed)}")


def instead(key: Key, known: Iterable[Key]) -> str:
    """What may have been meant, as the end of a sentence."""
    called = {one.name if one.namespace == key.namespace else str(one): one for one in known}
    close = get_close_matches(key.name, called, n=3) or [name for name, one in called.items() if one.name == key.name]
    return f"; did you mean {' or '.join(close)}?" if close else ""


async def _list(api: Api, namespace: str | None) -> list[Object]:
    """The resources in order, without those on their way out."""
    try:
        listed = [live async for page, _ in api.pages(MICROSERVICE, namespace) for live in page]
    except ClusterError as error:
        raise explained(error, namespace) from error
    return sorted((live for live in listed if "deletionTimestamp" not in live["metadata"]), key=_key)


async def _labels(api: Api, namespace: str | None) -> tuple[dict[str, dict[str, str]], tuple[str, ...]]:
    """The labels of the namespaces; where they may not be read, a note says what that leaves open."""
    try:
        if namespace is None:
            found = [live async for page, _ in api.pages(NAMESPACE, None) for live in page]
        else:
            one = await api.get(NAMESPACE, None, namespace)
            found = [one] if one else []
    except ClusterError as error:
        if error.status != 403:
            raise explained(error, namespace) from error
        which = f"of namespace {namespace}" if namespace else "of namespaces"
        return {}, (f"no right to read the labels {which}: consent by selector cannot be judged",)
    return {live["metadata"]["name"]: live["metadata"].get("labels", {}) for live in found}, ()


def explained(error: ClusterError, namespace: str | None) -> Failure:
    """What the API server said no to, and who can put it right."""
    if isinstance(error, TransientError):
        return Failure(error.message)
    if error.status == 404:
        return Failure(f"this cluster knows no Microservices: install Freehold there, as by {INSTALL}")
    if error.status == 401:
        return Failure("the cluster does not accept these credentials; log in again, or choose another --context")
    if error.status == 403:
        return Failure(_no_right(error.message, namespace))
    return Failure(f"the API server refuses: {error.message}")


def _no_right(said: str, namespace: str | None) -> str:
    """Which role is needed, and the command that binds it."""
    asked = re.search(r'User "([^"]*)"', said)
    user = asked[1] if asked else "NAME"
    kind, scope = ("rolebinding", f" -n {namespace}") if namespace else ("clusterrolebinding", "")
    where = f"in namespace {namespace}" if namespace else "in all namespaces (-n NAMESPACE asks for one)"
    bind = f"kubectl create {kind} freehold-view --clusterrole=view --user={user}{scope}"
    return f"no right to list microservices {where}; ClusterRole view has it, and an administrator binds it by {bind}"


def _key(live: Mapping[str, Any]) -> Key:
    return Key(live["metadata"]["namespace"], live["metadata"]["name"])
