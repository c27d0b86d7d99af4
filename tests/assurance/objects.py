"""Every object that Freehold creates in a cluster: by its chart, and by the operator for the examples.

Each capability has an example and each option of the chart a value, so that later additions are included.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import yaml
from freehold.core.model import remote
from freehold.core.model.case import Case
from freehold.core.model.findings import Findings
from freehold.core.model.resources import Object, Observed, Platform, Ref, Service
from freehold.core.objects import meta
from freehold.core.reconcile import reconcile
from freehold.kube import certificate_authority, observation
from freehold.kube.cache import Cache

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

ENDPOINT_READY = {
    "type": "EndpointReady",
    "status": "True",
    "reason": "Serving",
    "message": "1 of 1 pods serve",
    "lastTransitionTime": "2026-01-02T03:04:05Z",
}


def title(body: Object) -> str:
    """Return a name like `Deployment shop/users`, or `ClusterRole freehold` for objects without a namespace."""
    metadata = body["metadata"]
    return f"{body['kind']} {'/'.join(filter(None, (metadata.get('namespace'), metadata['name'])))}"


def of_the_chart() -> list[Object]:
    """Return the plain install manifests, and further objects of the chart with all options on and with namespaces."""
    usual: list[Object] = list(yaml.safe_load_all(INSTALL.read_text()))
    known = set(map(title, usual))
    switches = [f"{name}=true" for name in _switched_off(yaml.safe_load((CHART / "values.yaml").read_text()))]
    return usual + [body for body in render(NAMED_NAMESPACES, *switches) if title(body) not in known]


def of_the_operator() -> list[Object]:
    """Return the operator's objects for all examples in one cluster, once every service is Ready."""
    cache = Cache(lambda _: None)
    cache.put_storage_class(STORAGE_CLASS)
    services: list[Object] = []
    for number, live in enumerate(_examples()):
        live["metadata"] |= {"uid": str(number), "resourceVersion": "1", "generation": 1}
        if live["kind"] == "Namespace":
            cache.put_namespace(live)
        elif live["kind"] == "Microservice":
            cache.put_service(live, *observation.declared(live))
            services.append(live)
            _put_destination(cache, live)
    return [body for live in services for body in _made(cache, live)]


def _put_destination(cache: Cache, live: Object) -> None:
    """Put the destination of a move to another cluster into the cache, with a serving pod."""
    cluster = live["spec"].get("placement", {}).get("cluster")
    if not cluster:
        return
    namespace = remote.namespace_in(live["metadata"]["namespace"], cluster)
    metadata = {**live["metadata"], "namespace": namespace}
    taken = {**live, "spec": {**live["spec"], "placement": {"fromCluster": "here"}}}
    cache.put_service({**taken, "metadata": metadata}, *observation.declared_remotely(taken, cluster))
    labels = meta.selector(live["metadata"]["name"], meta.SERVICE)
    pod = {"name": "pod", "namespace": namespace, "uid": "pod", "resourceVersion": "1", "labels": labels}
    cache.put_owned({"kind": "Pod", "metadata": pod, "status": {"podIP": "192.0.2.1"}})


def _made(cache: Cache, live: Object) -> list[Object]:
    service, now = observation.parse(live), datetime.now(UTC)
    signer = certificate_authority.CertificateAuthority(certificate_authority.generate(now))
    inputs = observation.Inputs(
        Platform(rendered.IMAGE, "localhost/freehold/operator:dev"), signer, {service.namespace}, Findings()
    )
    observed = observation.observe(cache, service, inputs, {}, now)
    made = rendered.settled(service, observed)
    # Once the service is Ready, the operator reads the contract and verifies the isolation.
    ready = replace(observed, objects=rendered.done(made), status={"conditions": [ENDPOINT_READY]})
    wanted = [body for plan in reconcile(Case(service, ready)) for body in plan.objects]
    more: dict[Ref, Object] = {Ref(body["kind"], body["metadata"]["name"]): body for body in wanted}
    more |= _moving(service, ready)
    return [*made.values(), *(body for ref, body in more.items() if ref not in made)]


def _moving(service: Service, ready: Observed) -> dict[Ref, Object]:
    """Return the objects of a move up to its last step, for an example with a placement."""
    if not service.spec.placement.node_selector or not service.spec.database:
        return {}
    elsewhere = service.spec.placement.model_copy(update={"node_selector": {"zone": "elsewhere"}})
    moves = replace(service, spec=service.spec.model_copy(update={"placement": elsewhere}))
    found: dict[Ref, Object] = {}
    while not any(ref.kind == "Job" for ref in found):
        observed = replace(ready, objects={**ready.objects, **rendered.done(found)})
        # Without the objects for reading the contract again.
        bodies = [
            body for plan in reconcile(Case(moves, observed)) if plan.capability != "contracts" for body in plan.objects
        ]
        wanted = {Ref(body["kind"], body["metadata"]["name"]): body for body in bodies}
        found |= {ref: body for ref, body in wanted.items() if ref.kind != "Job" or ref not in ready.objects}
    return found


def _examples() -> Iterator[Object]:
    for file in sorted(EXAMPLES.rglob("*.yaml")):
        yield from yaml.safe_load_all(file.read_text())


def _switched_off(values: dict[str, Any], above: str = "") -> Iterator[str]:
    """Return the paths of values that are false, in the format of `helm --set`."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _switched_off(value, f"{above}{name}.")
        elif value is False:
            yield f"{above}{name}"
