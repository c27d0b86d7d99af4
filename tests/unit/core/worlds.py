"""Services and what is seen of them: builders, and a cluster that takes every plan as it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from freehold.api.v1alpha1.grpc import Grpc
from freehold.api.v1alpha1.microservice import MicroserviceSpec
from freehold.core import certificates
from freehold.core import reconcile as core
from freehold.core.certificates.plan import Request
from freehold.core.model.case import Case
from freehold.core.model.resources import (
    Issued,
    Key,
    Object,
    Observed,
    Peer,
    Plan,
    Platform,
    Ref,
    Service,
    StorageClass,
)
from freehold.core.objects import meta
from freehold.core.objects.pods import job_of, of_job
from freehold.kube import certificate_authority
from hypothesis import strategies as st

from tests import offered

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STANDARD = StorageClass("standard", default=True, expandable=True)
IMAGE = "localhost/freehold/users:dev"
GRPC: Object = {"port": 50051}
MIGRATIONS: Object = {"command": ["users", "migrate"]}
DATABASE: Object = {"version": "15", "storage": {"size": "1Gi"}, "migrations": MIGRATIONS}
AUTHORITY = certificate_authority.CertificateAuthority(certificate_authority.generate(NOW))
PLATFORM = Platform(operator_image="localhost/freehold/operator:dev")
MOVED = '{"outcome": "completed", "writePauseMs": 210}'
PASSWORDS = {"app": "first/app", "owner": "first@owner", "replicator": "first-replicator", "postgres": "first"}


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
    fresh = {request.secret: issued(request) for request in certificates.requests(Case(subject, seen))}
    return core.reconcile(Case(subject, replace(seen, certificates={**fresh, **seen.certificates})))


def peer(name: str, namespace: str = "shop", *consumes: Key, grpc: Object | None = GRPC, ready: bool = True) -> Peer:
    """Another service; without `grpc` it has no endpoint."""
    return Peer(
        Key(namespace, name), Grpc.model_validate(grpc) if grpc is not None else None, frozenset(consumes), ready
    )


def peers(*listed: Peer) -> dict[Key, Peer]:
    return {one.key: one for one in listed}


def placed(seen: Observed, plans: Iterable[Plan], *, running: bool = True) -> Observed:
    """The same cluster after the plans were applied and, if `running`, everything in them got under way.

    A service that is asked what it offers offers what users does.
    """
    plans = list(plans)
    objects, pods = _without_what_is_not_wanted(seen, plans)
    for body in (body for plan in plans for body in plan.objects):
        ref = Ref(body["kind"], body["metadata"]["name"])
        before = objects.get(ref, {})
        generation = 1 if before.get("spec") == body.get("spec") else 2
        metadata = {**body["metadata"], "uid": f"uid-of-{ref.kind}-{ref.name}", "generation": generation}
        live = {**body, "metadata": metadata}
        if ref.kind == "PersistentVolumeClaim":
            live["spec"] = {"storageClassName": STANDARD.name, **body["spec"]}
        objects[ref] = {**live, "status": running_status(live)} if running else live
        if running and body["metadata"]["labels"].get(meta.COMPONENT) == meta.CONTRACT and ref.kind == "Job":
            pods.append(reader(body, offered.answer(offered.users())))
        if running and ref.kind == "Job" and _role(body) == "switchover" and not of_job(seen, ref.name):
            pods.append(reader(body, MOVED))
    return replace(seen, objects=objects, pods=tuple(pods))


def _role(job: Object) -> str:
    return str(job["spec"]["template"]["metadata"]["labels"].get(meta.ROLE, ""))


def _without_what_is_not_wanted(seen: Observed, plans: Iterable[Plan]) -> tuple[dict[Ref, Object], list[Object]]:
    """What is left once readers, their walls and what moved the data, none of them wanted any more, were removed."""
    wanted = {ref for plan in plans for ref in (*plan.keep, *objects_of([plan]))}
    ours = {"contracts", "database", "relocation"}
    own = {ref for ref, o in seen.objects.items() if o["metadata"].get("labels", {}).get(meta.CAPABILITY) in ours}
    over = {ref for ref in own - wanted if ref.kind != "PersistentVolumeClaim"}
    over |= {ref for plan in plans for ref in plan.discard}
    objects = {ref: o for ref, o in seen.objects.items() if ref not in over}
    ended = {ref.name for ref in over if ref.kind == "Job"}
    return objects, [pod for pod in seen.pods if job_of(pod) not in ended]


def reader(job: Object, *said: str) -> Object:
    """The pod of a reader's Job that has ended with these words, one for each of its containers."""
    name, now = job["metadata"]["name"], NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    ended = [{"exitCode": 0, "finishedAt": now, "message": message} for message in said]
    statuses = [{"name": f"reader-{n}", "state": {"terminated": state}} for n, state in enumerate(ended)]
    labels = {**job["spec"]["template"]["metadata"]["labels"], "batch.kubernetes.io/job-name": name}
    return {"metadata": {"name": f"{name}-x", "labels": labels}, "status": {"containerStatuses": statuses}}


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
            now = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
            return {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": now}]}
        case "GRPCRoute":
            taken = [{"type": kind, "status": "True", "reason": kind} for kind in ("Accepted", "ResolvedRefs")]
            return {"parents": [{"parentRef": live["spec"]["parentRefs"][0], "conditions": taken}]}
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
LATENCIES = st.none() | st.sampled_from(["250ms", "2s"])
CONSUMED = st.lists(
    st.fixed_dictionaries(
        {
            "name": NAMES,
            "namespace": st.none() | st.sampled_from(["shop", "accounts"]),
            "latencyBudget": LATENCIES,
            "hedgeAfter": st.none() | st.just("20ms"),
        }
    ),
    max_size=3,
    unique_by=lambda consumed: str(consumed["name"]),
)
EXPOSED = {"gateway": {"name": "public", "namespace": "gateways"}, "hostnames": ["users.example.com"]}
PORTS = st.integers(1024, 65535)
GRPCS = st.fixed_dictionaries({"port": PORTS, "tls": st.sampled_from(["Plaintext", "Mutual"])}) | st.fixed_dictionaries(
    {"port": PORTS, "expose": st.just(EXPOSED)}
)
SPECS = st.fixed_dictionaries(
    {
        "image": st.sampled_from([IMAGE, "registry.example:5000/a/b@sha256:0123", "x:1.0", "y"]),
        "replicas": st.integers(0, 3),
        "grpc": st.none() | GRPCS,
        "http": st.none() | st.fixed_dictionaries({"port": st.integers(1024, 65535)}),
        "database": st.none() | DATABASES,
        "consumes": CONSUMED,
        "latencyBudget": LATENCIES,
    }
)
SERVICES = st.builds(lambda name, spec: service(name, **spec), NAMES, SPECS)
