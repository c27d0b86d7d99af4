"""Reads and watches of any kind, by kubectl's names of kinds, through the official client.

Stories read thousands of times, and each process of kubectl would cost more than its request.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from freehold.core.model.resources import Object
from kubernetes import config, dynamic
from kubernetes.dynamic.resource import ResourceList


class Reads:
    """The objects of a cluster, as an administrator sees them. namespace is ignored for kinds outside namespaces."""

    def __init__(self, kubeconfig: Path) -> None:
        self._client = dynamic.DynamicClient(config.new_client_from_config(str(kubeconfig)))
        self._resources: dict[str, dynamic.Resource] = {}

    def get(self, kind: str, namespace: str, name: str) -> Object:
        """Return an object. Raises AssertionError if the API server refuses, as for an absent object."""
        return self._read(self._resource(kind), namespace, name=name)

    def find(self, kind: str, namespace: str, selector: str) -> list[Object]:
        """Return the objects of a kind that match a label selector."""
        resource = self._resource(kind)
        found = self._read(resource, namespace, label_selector=selector or None)["items"]
        return [{"apiVersion": resource.group_version, "kind": resource.kind, **live} for live in found]

    def watch(self, kind: str, namespace: str, fields: str, within: float) -> Iterator[Object]:
        """Yield each version of the objects that match a field selector, from the present one on. within: seconds."""
        resource = self._resource(kind)
        where = {"namespace": namespace} if resource.namespaced else {}
        stream = self._client.watch(resource, field_selector=fields, timeout=math.ceil(within), **where)
        return (event["raw_object"] for event in stream if event["type"] != "DELETED")

    def _read(self, resource: dynamic.Resource, namespace: str, **query: Any) -> Object:
        where = {"namespace": namespace} if resource.namespaced else {}
        try:
            answer = resource.get(**where, **query, serialize=False)
        except dynamic.exceptions.DynamicApiError as error:
            raise AssertionError(f"{resource.name} {query} in {namespace}: {error.summary()}") from error
        found: Object = json.loads(answer.data)
        return found

    def _resource(self, kind: str) -> dynamic.Resource:
        """Return the resource with this name: plural, singular or short, as kubectl takes them."""
        if kind not in self._resources:  # at first, and after a definition was added
            self._client.resources.invalidate_cache()
            self._resources = dict(_named(self._client))
        assert kind in self._resources, f"the API server serves no resource with the name {kind}"
        return self._resources[kind]


def _named(client: dynamic.DynamicClient) -> Iterator[tuple[str, dynamic.Resource]]:
    """Yield each resource by its names; names of the core group come last, since they win over others."""
    found = [one for one in client.resources.search(preferred=True) if not isinstance(one, ResourceList)]
    for resource in sorted(found, key=lambda one: one.group == ""):
        for name in (resource.name, resource.singular_name, *(resource.short_names or ())):
            yield name, resource


@cache
def reads(kubeconfig: Path) -> Reads:
    """Return the reads of a cluster; one connection for each process."""
    return Reads(kubeconfig)
