"""Every object that Freehold brings into a cluster: those of its chart, and those the operator makes of the examples.

A capability has a runnable example, and a switch of the chart has a value, so that what is added later is here as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from freehold.cluster import observe
from freehold.cluster.cache import Cache
from freehold.core.model import Object, Platform

from benchmarks import rendered
from hack.generate import CHART, ROOT
from tests.unit.delivery.helm import render

INSTALL = ROOT / "manifests/install/freehold.yaml"
EXAMPLES = ROOT / "manifests/examples"
NAMED_NAMESPACES = "namespaces={shop,accounts}"
STORAGE_CLASS: Object = {
    "kind": "StorageClass",
    "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
}


def title(body: Object) -> str:
    """Like `Deployment shop/users`, or `ClusterRole freehold` for what belongs to no namespace."""
    metadata = body["metadata"]
    return f"{body['kind']} {'/'.join(filter(None, (metadata.get('namespace'), metadata['name'])))}"


def of_the_chart() -> list[Object]:
    """The plain install manifests, and what the chart makes besides with its switches on and namespaces named."""
    usual: list[Object] = list(yaml.safe_load_all(INSTALL.read_text()))
    known = set(map(title, usual))
    switches = [f"{name}=true" for name in _switched_off(yaml.safe_load((CHART / "values.yaml").read_text()))]
    return usual + [body for body in render(NAMED_NAMESPACES, *switches) if title(body) not in known]


def of_the_operator() -> list[Object]:
    """All that is made of all the examples in one cluster, once every service is Ready."""
    cache = Cache(lambda _: None)
    cache.put_storage_class(STORAGE_CLASS)
    services: list[Object] = []
    for number, live in enumerate(_examples()):
        live["metadata"] |= {"uid": str(number), "resourceVersion": "1", "generation": 1}
        if live["kind"] == "Namespace":
            cache.put_namespace(live)
        else:
            cache.put_service(live, observe.consumed_by(live))
            services.append(live)
    return [body for live in services for body in _made(cache, live)]


def _made(cache: Cache, live: Object) -> list[Object]:
    service = observe.parse(live)
    seen = observe.observe(cache, service, Platform(rendered.IMAGE), {})
    return list(rendered.settled(service, seen).values())


def _examples() -> Iterator[Object]:
    for file in sorted(EXAMPLES.rglob("*.yaml")):
        yield from yaml.safe_load_all(file.read_text())


def _switched_off(values: dict[str, Any], above: str = "") -> Iterator[str]:
    """The paths of the values that are false, as `helm --set` takes them."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _switched_off(value, f"{above}{name}.")
        elif value is False:
            yield f"{above}{name}"
