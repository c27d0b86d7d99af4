"""Services and what is seen of them: builders, and a cluster that takes every plan as it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from freehold.api.v1alpha1 import Grpc, MicroserviceSpec
from freehold.cluster import authority
from freehold.core import certificates
from freehold.core import reconcile as core
from freehold.core.certificates import Request
from freehold.core.model import Issued, Key, Object, Observed, Peer, Plan, Platform, Ref, Service, StorageClass
from hypothesis import strategies as st

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STANDARD = StorageClass("standard", default=True, expandable=True)
IMAGE = "localhost/freehold/users:dev"
GRPC: Object = {"port": 50051}
MIGRATIONS: Object = {"command": ["users", "migrate"]}
DATABASE: Object = {"version": "15", "storage": {"size": "1Gi"}, "migrations": MIGRATIONS}
AUTHORITY = authority.CertificateAuthority(authority.fresh(NOW))
PLATFORM = Platform(operator_image="localhost/freehold/operator:dev")
PASSWORDS = {"app": "first/app", "owner": "first@owner", "postgres": "first"}


def service(name: str = "users", namespace: str = "shop", **spec: Any) -> Service:
    """A Microservice with an image and a gRPC endpoint, unless it says otherwise."""
    whole = {"image": IMAGE, "grpc": GRPC, **spec}
    return Service(Key(namespace, name), f"uid-of-{name}", 1, MicroserviceSpec.model_validate(whole))


def observed(objects: Iterable[Object] = (), **seen: Any) -> Observed:
    """What is seen at NOW in a cluster with one storage class."""
    known = {Ref(o["kind"], o["metadata"]["name"]): o for o in objects}
    usual: dict[str, Any] = {"now": NOW, "platform": PLATFORM, "storage_classes": (STANDARD,), "passwords": PASSWORDS}
    return Observed(objects=known, **{**usual, "authority": AUTHORITY.public, **seen})


@cache
def issued(request: Request) -> Issued:
    """A certificate of the test's authority, issued at NOW; the same one each time."""
    return AUTHORITY.issue(request, NOW)


def reconcile(subject: Service, seen: Observed) -> tuple[Plan, ...]:
    """What the core plans, with a fresh certificate at hand for each that it may want."""
    fresh = {request.secret: issued(request) for request in certificates.requests(subject, seen)}
    return core.reconcile(subject, replace(seen, certificates={**fresh, **seen.certificates}))


def peer(name: str, namespace: str = "shop", *consumes: Key, grpc: Object | None = GRPC, ready: bool = True) -> Peer:
    """Another service; without `grpc` it has no endpoint."""
    return Peer(
        Key(namespace, name), Grpc.model_validate(grpc) if grpc is not None else None, frozenset(consumes), ready
    )


def peers(*listed: Peer) -> dict[Key, Peer]:
    return {one.key: one for one in listed}


def placed(seen: Observed, plans: Iterable[Plan], *, running: bool = True) -> Observed:
    """The same cluster after the plans were applied and, if `running`, everything in them got under way."""
    objects = dict(seen.objects)
    for body in (body for plan in plans for body in plan.objects):
        ref = Ref(body["kind"], body["metadata"]["name"])
        before = objects.get(ref, {})
        generation = 1 if before.get("spec") == body.get("spec") else 2
        metadata = {**body["metadata"], "uid": f"uid-of-{ref.kind}-{ref.name}", "generation": generation}
        live = {**body, "metadata": metadata}
        if ref.kind == "PersistentVolumeClaim":
            live["spec"] = {"storageClassName": STANDARD.name, **body["spec"]}
        objects[ref] = {**live, "status": running_status(live)} if running else live
    return replace(seen, objects=objects)


def running_status(live: Object) -> Object:
    """What the cluster's own controllers say of an object that is well."""
    count = live.get("spec", {}).get("replicas", 0)
    pods = {"observedGeneration": live["metadata"]["generation"], "replicas": count, "updatedReplicas": count}
    match live["kind"]:
        case "PersistentVolumeClaim":
            return {"phase": "Bound"}
        case "StatefulSet":
            return {**pods, "readyReplicas": count}
        case "Deployment":
            return {**pods, "availableReplicas": count}
        case "Job":
            return {"conditions": [{"type": "Complete", "status": "True"}]}
        case _:
            return {}


def settled(subject: Service, seen: Observed, visits: int = 8) -> Observed:
    """The cluster once another visit changes nothing. Fails when it does not come to rest."""
    for _ in range(visits):
        after = placed(seen, reconcile(subject, seen))
        if after == seen:
            return seen
        seen = after
    raise AssertionError(f"{subject.key} does not come to rest in {visits} visits")


def objects_of(plans: Iterable[Plan]) -> dict[Ref, Object]:
    return {Ref(o["kind"], o["metadata"]["name"]): o for plan in plans for o in plan.objects}


# Hypothesis: anything the API server would let in.
NAMES = st.from_regex(r"\A[a-z]([-a-z0-9]{0,38}[a-z0-9])?\Z").filter(
    lambda name: "-database" not in name and name != "database"
)
SIZES = st.sampled_from(["1Gi", "2Gi", "1024Mi", "10Gi"])
MIGRATION = st.none() | st.fixed_dictionaries({"command": st.lists(st.text("abc -", min_size=1), min_size=1)})
DATABASES = st.fixed_dictionaries(
    {
        "version": st.sampled_from(["14", "15", "18"]),
        "storage": st.fixed_dictionaries({"size": SIZES}),
        "migrations": MIGRATION,
        "deletionPolicy": st.sampled_from(["Retain", "Delete"]),
    }
)
CONSUMED = st.lists(
    st.fixed_dictionaries({"name": NAMES, "namespace": st.none() | st.sampled_from(["shop", "accounts"])}),
    max_size=3,
    unique_by=lambda consumed: str(consumed["name"]),
)
GRPCS = st.fixed_dictionaries({"port": st.integers(1024, 65535), "tls": st.sampled_from(["Plaintext", "Mutual"])})
SPECS = st.fixed_dictionaries(
    {
        "image": st.sampled_from([IMAGE, "registry.example:5000/a/b@sha256:0123", "x:1.0", "y"]),
        "replicas": st.integers(0, 3),
        "grpc": st.none() | GRPCS,
        "http": st.none() | st.fixed_dictionaries({"port": st.integers(1024, 65535)}),
        "database": st.none() | DATABASES,
        "consumes": CONSUMED,
    }
)
SERVICES = st.builds(lambda name, spec: service(name, **spec), NAMES, SPECS)
