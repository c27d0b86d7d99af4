"""Builders of services and observations, and a simulated cluster that applies every plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, lru_cache
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
from freehold.core.objects.jobs import job_of, pods_of
from freehold.core.protobuf import checker
from freehold.core.protobuf.checks import Check, Result
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
    """Return a Microservice, by default with an image and a gRPC endpoint."""
    fields = {"image": IMAGE, "grpc": GRPC, **spec}
    return Service(Key(namespace, name), f"uid-of-{name}", 1, MicroserviceSpec.model_validate(fields))


def observed(objects: Iterable[Object] = (), **fields: Any) -> Observed:
    """Return an observation at NOW of a cluster with a default storage class."""
    known = {Ref(o["kind"], o["metadata"]["name"]): o for o in objects}
    defaults: dict[str, Any] = {
        "now": NOW,
        "platform": PLATFORM,
        "storage_classes": (STANDARD,),
        "passwords": PASSWORDS,
        "checked": checked,
    }
    return Observed(objects=known, **{**defaults, "passwords": PASSWORDS, "authority": AUTHORITY.public, **fields})


@lru_cache(maxsize=256)
def checked(check: Check) -> Result:
    """Return the result of a check of contracts, computed in this process."""
    return checker.run(check)


@cache
def issued(request: Request) -> Issued:
    """Return a certificate of AUTHORITY, issued at NOW; equal requests get the same certificate."""
    return AUTHORITY.issue(request, NOW)


def reconcile(subject: Service, seen: Observed) -> tuple[Plan, ...]:
    """Return the plans of a service, with fresh certificates for all requests."""
    fresh = {request.secret: issued(request) for request in certificates.requests(Case(subject, seen))}
    return core.reconcile(Case(subject, replace(seen, certificates={**fresh, **seen.certificates})))


def peer(name: str, namespace: str = "shop", *consumes: Key, grpc: Object | None = GRPC, ready: bool = True) -> Peer:
    """Return another service as a peer; `grpc=None`: without an endpoint."""
    return Peer(
        Key(namespace, name), Grpc.model_validate(grpc) if grpc is not None else None, frozenset(consumes), ready
    )


def peers(*services: Peer) -> dict[Key, Peer]:
    """Return peers by key."""
    return {service.key: service for service in services}


def placed(seen: Observed, plans: Iterable[Plan], *, running: bool = True) -> Observed:
    """Return the cluster after the plans were applied. running: all planned objects are up, and Jobs completed.

    Contract readers find the contract of users.
    """
    plans = list(plans)
    objects, pods = _without_unwanted(seen, plans)
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
        if running and ref.kind == "Job" and _role(body) == "switchover" and not pods_of(seen, ref.name):
            pods.append(reader(body, MOVED))
    return replace(seen, objects=objects, pods=tuple(pods))


def _role(job: Object) -> str:
    return str(job["spec"]["template"]["metadata"]["labels"].get(meta.ROLE, ""))


def _without_unwanted(seen: Observed, plans: Iterable[Plan]) -> tuple[dict[Ref, Object], list[Object]]:
    """Return objects and pods without unwanted objects of the capabilities contracts, database and relocation."""
    wanted = {ref for plan in plans for ref in (*plan.keep, *objects_of([plan]))}
    capabilities = {"contracts", "database", "relocation"}
    labels = {ref: live["metadata"].get("labels", {}) for ref, live in seen.objects.items()}
    owned = {ref for ref, labelled in labels.items() if labelled.get(meta.CAPABILITY) in capabilities}
    removed = {ref for ref in owned - wanted if ref.kind != "PersistentVolumeClaim"}
    removed |= {ref for plan in plans for ref in plan.discard}
    objects = {ref: live for ref, live in seen.objects.items() if ref not in removed}
    jobs = {ref.name for ref in removed if ref.kind == "Job"}
    return objects, [pod for pod in seen.pods if job_of(pod) not in jobs]


def reader(job: Object, *messages: str) -> Object:
    """Return the ended pod of a Job, with a termination message for each container."""
    now = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    ended = [{"exitCode": 0, "finishedAt": now, "message": message} for message in messages]
    names = [container["name"] for container in job["spec"]["template"]["spec"]["containers"]]
    statuses = [{"name": name, "state": {"terminated": state}} for name, state in zip(names, ended, strict=False)]
    return {**pod_of(job), "status": {"containerStatuses": statuses}}


def pod_of(job: Object) -> Object:
    """Return a pod as created by the Job's controller."""
    template, name = job["spec"]["template"], job["metadata"]["name"]
    labels = {**template["metadata"]["labels"], "batch.kubernetes.io/job-name": name}
    owner = {"kind": "Job", "name": name, "controller": True, "uid": f"uid-of-Job-{name}"}
    return {"metadata": {"name": f"{name}-x", "labels": labels, "ownerReferences": [owner]}, "spec": template["spec"]}


def with_uid(live: Object) -> Object:
    """Return an object with the uid that `placed` gives."""
    uid = f"uid-of-{live['kind']}-{live['metadata']['name']}"
    return {**live, "metadata": {**live["metadata"], "uid": uid}}


def running_status(live: Object) -> Object:
    """Return the status that Kubernetes' controllers write for a healthy object."""
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
            accepted = [{"type": kind, "status": "True", "reason": kind} for kind in ("Accepted", "ResolvedRefs")]
            return {"parents": [{"parentRef": live["spec"]["parentRefs"][0], "conditions": accepted}]}
        case _:
            return {}


def settled(subject: Service, seen: Observed, visits: int = 8) -> Observed:
    """Reconcile until nothing changes and return the cluster. Raises AssertionError after `visits` reconciles."""
    for _ in range(visits):
        after = placed(seen, reconcile(subject, seen))
        if after == seen:
            return seen
        seen = after
    raise AssertionError(f"{subject.key} still changes after {visits} reconciles")


def objects_of(plans: Iterable[Plan]) -> dict[Ref, Object]:
    """Return the objects of plans by kind and name."""
    return {Ref(o["kind"], o["metadata"]["name"]): o for plan in plans for o in plan.objects}


# Hypothesis strategies: resources that the API server accepts.
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
