"""A move to another namespace: the resource that takes over there, and what is written to the one that goes."""

from __future__ import annotations

from freehold.core.model import remote
from freehold.core.model.resources import Object
from freehold.kube.client import Api
from freehold.kube.kinds import MICROSERVICE
from freehold.views.errors import Failure


def namespace(live: Object) -> str:
    """The other namespace in which it stands, or is to, be it of another cluster; empty where it is none."""
    placement, home = live["spec"].get("placement", {}), live["metadata"]["namespace"]
    there = remote.namespace_in(home, placement["cluster"]) if placement.get("cluster") else placement.get("namespace")
    named = there or live.get("status", {}).get("endpointTarget", "")
    return str(named) if named != live["metadata"]["namespace"] else ""


async def prepare(api: Api, live: Object, there: str) -> None:
    """See that a resource there takes over, and make one like this where there is none. Raises Failure."""
    here, name = live["metadata"]["namespace"], live["metadata"]["name"]
    if there == here:
        raise Failure(f"{name} is in namespace {here} already; --back leaves another for it")
    known = await api.get(MICROSERVICE, there, name)
    if known is None:
        await api.create(MICROSERVICE, there, successor(live, there))
    elif known["spec"].get("placement", {}).get("from") != here:
        raise Failure(f"{there}/{name} is there and does not take over: set spec.placement.from: {here} in it")


def successor(live: Object, there: str) -> Object:
    """A resource like this for another namespace: whom it names without one is still meant where it is."""
    here, spec = live["metadata"]["namespace"], live["spec"]
    placement = {key: value for key, value in spec.get("placement", {}).items() if key != "namespace"}
    whole = {**spec, "placement": {**placement, "from": here}}
    if "consumes" in spec:
        whole["consumes"] = [
            {**consumed, "namespace": consumed.get("namespace", here)} for consumed in spec["consumes"]
        ]
    if expose := spec.get("grpc", {}).get("expose"):
        gateway = {**expose["gateway"], "namespace": expose["gateway"].get("namespace", here)}
        whole["grpc"] = {**spec["grpc"], "expose": {**expose, "gateway": gateway}}
    metadata = {"name": live["metadata"]["name"], "namespace": there, "labels": live["metadata"].get("labels", {})}
    return {"apiVersion": MICROSERVICE.api, "kind": MICROSERVICE.name, "metadata": metadata, "spec": whole}
