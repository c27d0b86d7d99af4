"""Faults that only the cluster detects: reported within seconds, cleared once corrected, without effect on others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.support.cluster import Object, Space, conditions
from tests.e2e.support.microservices import IMAGES, database, front_end, idle, users

SOON = 15
"""Seconds from a mistake to its condition."""
PODS_FAIL_WITHIN = 60
"""Seconds from a mistake to its condition where a pod must fail first, while the nodes start pods of other stories."""


@pytest.fixture(scope="module")
def yard(yard: Space) -> Space:
    """A namespace with the two providers of a front end, which have no pods."""
    yard.apply(idle("users"), idle("payments"))
    yard.until_ready("users", "payments")
    return yard


@pytest.fixture(autouse=True)
def _nothing_else_stops(shop: Space) -> Iterator[None]:
    """Assert that the shop's services stay Ready throughout a test, without a transition."""
    before = _since(shop)
    yield
    assert _since(shop) == before


def _since(shop: Space) -> dict[str, tuple[str, str]]:
    ready = {live["metadata"]["name"]: conditions(live)["Ready"] for live in shop.find("microservices")}
    return {name: (entry["status"], entry["lastTransitionTime"]) for name, entry in ready.items()}


def _shows(space: Space, service: str, condition: str, reason: str, within: float = SOON) -> str:
    """Wait for the condition, its Event and the same reason in Ready; return the condition's message."""
    said = space.until_condition(service, condition, "False", reason, within=within)
    space.until_event(service, "Warning", reason)
    space.until_condition(service, "Ready", "False", reason, within=5)
    return said


def test_conditions_image_missing(yard: Space) -> None:
    """ImagePullFailed names the image that cannot be pulled, and clears with an existing image."""
    yard.apply(front_end("imageless", image="localhost/freehold/storefront:absent"))
    said = _shows(yard, "imageless", "EndpointReady", "ImagePullFailed", PODS_FAIL_WITHIN)
    assert said.startswith("image localhost/freehold/storefront:absent cannot be pulled")

    yard.spec("imageless", image=IMAGES["storefront"])
    yard.until_ready("imageless")
    yard.until_event("imageless", "Normal", "Ready")


def test_conditions_crash_loop(yard: Space) -> None:
    """CrashLooping quotes the container's last words, and clears with a corrected spec."""
    yard.apply(front_end("crashing", consumes=[{"name": "users"}]))
    said = _shows(yard, "crashing", "EndpointReady", "CrashLooping", PODS_FAIL_WITHIN)
    assert "PAYMENTS_GRPC_TARGET must be set" in said

    yard.spec("crashing", consumes=[{"name": "users"}, {"name": "payments"}])
    yard.until_ready("crashing")


def test_conditions_unschedulable(yard: Space) -> None:
    """Unschedulable names the resource that no node has, and clears with a smaller request."""
    yard.apply(front_end("greedy", resources={"requests": {"cpu": "1000"}}))
    said = _shows(yard, "greedy", "EndpointReady", "Unschedulable")
    assert "Insufficient cpu" in said

    yard.spec("greedy", resources=None)
    yard.until_ready("greedy")


def test_conditions_provider_absent(yard: Space) -> None:
    """ProviderNotFound names the absent provider while the consumer serves, and clears once the provider exists."""
    wanted = [{"name": name} for name in ("users", "payments", "ledger")]
    yard.apply(front_end("forerunner", consumes=wanted))
    said = _shows(yard, "forerunner", "DependenciesResolved", "ProviderNotFound")
    assert said == f"ledger in namespace {yard.name} does not exist; correct spec.consumes, or deploy the provider"
    yard.until_condition("forerunner", "EndpointReady", "True")

    yard.apply(idle("ledger"))
    yard.until_ready("forerunner", within=SOON)
    yard.delete("microservice/ledger")
    yard.until_condition("forerunner", "DependenciesResolved", "False", "ProviderNotFound", within=SOON)
    assert yard.condition("forerunner", "EndpointReady")["status"] == "True"


def test_conditions_provider_without_grpc(yard: Space) -> None:
    """ProviderHasNoEndpoint names the provider without spec.grpc, and clears once the field is set."""
    yard.apply(front_end("gallery"))
    wanted = [{"name": name} for name in ("users", "payments", "gallery")]
    yard.apply(front_end("mistaken", consumes=wanted))
    said = _shows(yard, "mistaken", "DependenciesResolved", "ProviderHasNoEndpoint")
    assert "gallery" in said and "declares no spec.grpc" in said

    yard.spec("gallery", grpc={"port": 50051})
    yard.until_condition("mistaken", "DependenciesResolved", "True", within=SOON)
    yard.delete("microservice/mistaken", "microservice/gallery")


def test_conditions_consent_missing(yard: Space, shop: Space) -> None:
    """ConsumerNotAllowed names the provider and both namespaces, and clears with a consenting provider."""
    yard.apply(front_end("uninvited", of=shop.name))
    said = _shows(yard, "uninvited", "DependenciesResolved", "ConsumerNotAllowed")
    assert f"users in namespace {shop.name} admits no consumers from namespace {yard.name}" in said

    yard.apply(front_end("uninvited"))
    yard.until_ready("uninvited")


def test_conditions_storage_class_absent(yard: Space) -> None:
    """StorageClassMissing lists the cluster's storage classes, and clears once the class exists."""
    name = f"fast-{yard.name}"
    yard.apply(users("storeless", database=database("users", storage={"size": "64Mi", "className": name})))
    said = _shows(yard, "storeless", "DatabaseReady", "StorageClassMissing")
    assert said.startswith(f"storage class {name} does not exist; the cluster has: ")
    assert "(default)" in said

    yard.cluster.apply(_like_the_default(yard, name))
    try:
        yard.until_ready("storeless")
        yard.until_event("storeless", "Normal", "Ready")
    finally:
        yard.delete("microservice/storeless")
        yard.delete("pvc/storeless-database-data")
        yard.cluster.kubectl("delete", "storageclass", name)


def test_conditions_volume_not_expandable(yard: Space) -> None:
    """VolumeCannotGrow names both sizes while the database serves, and clears once the class allows expansion."""
    name = f"rigid-{yard.name}"
    yard.cluster.apply({**_like_the_default(yard, name), "allowVolumeExpansion": False})
    try:
        yard.apply(users("rigid", database=database("users", storage={"size": "64Mi", "className": name})))
        yard.until_ready("rigid")

        yard.spec("rigid", database={"storage": {"size": "128Mi"}})
        said = _shows(yard, "rigid", "DatabaseReady", "VolumeCannotGrow")
        assert "64Mi" in said and "128Mi" in said
        assert yard.psql("rigid", "select count(*) from users") == "0"

        yard.patch(f"storageclass/{name}", {"allowVolumeExpansion": True})
        yard.until_condition("rigid", "DatabaseReady", "True", within=SOON)
        claim = yard.get("pvc/rigid-database-data")
        assert claim["spec"]["resources"]["requests"]["storage"] == "128Mi"
    finally:
        yard.delete("microservice/rigid")
        yard.delete("pvc/rigid-database-data")
        yard.cluster.kubectl("delete", "storageclass", name)


def test_conditions_database_image_missing(yard: Space) -> None:
    """ImagePullFailed names the PostgreSQL image that cannot be pulled."""
    yard.apply(users("early", database={"version": "18", "storage": {"size": "64Mi"}}))
    said = _shows(yard, "early", "DatabaseReady", "ImagePullFailed", PODS_FAIL_WITHIN)
    assert "postgres:18 cannot be pulled" in said
    yard.delete("microservice/early")


def test_conditions_object_refused(yard: Space) -> None:
    """ClusterRefused quotes the API server, and clears with a valid spec."""
    yard.apply(front_end("bursting", resources={"requests": {"memory": "64Mi"}, "limits": {"memory": "32Mi"}}))
    said = _refused(yard, "bursting", "ClusterRefused")
    assert "must be less than or equal to memory limit" in said

    yard.spec("bursting", resources=None)
    yard.until_ready("bursting")


def test_conditions_name_taken(yard: Space) -> None:
    """NameTaken names the foreign object, and clears once the object is deleted."""
    yard.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "till"}})
    yard.apply(front_end("till"))
    said = _refused(yard, "till", "NameTaken")
    assert said.startswith(f"ServiceAccount till exists in namespace {yard.name} and is not Freehold's")

    yard.delete("serviceaccount/till")
    yard.until_ready("till")


def test_conditions_quota_exceeded(spaces: Callable[..., Space]) -> None:
    """RefusedByAdmission quotes the quota, and clears once the quota is deleted."""
    space = spaces("quota")
    spec = {"hard": {"pods": "0"}}
    space.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": spec})
    space.apply(idle("users"), idle("payments"), front_end())
    said = _shows(space, "storefront", "EndpointReady", "RefusedByAdmission")
    assert "exceeded quota" in said

    space.delete("resourcequota/none")
    space.until_ready("storefront")


@pytest.mark.alone
def test_conditions_unreadable_resource(yard: Space) -> None:
    """A resource that only a newer schema admits reports InvalidSpec and blocks no other resource."""
    with _a_looser_schema(yard):
        yard.apply(front_end("newer", replicas=1000))
        said = _refused(yard, "newer", "InvalidSpec")
        assert "replicas" in said and "running objects stay unchanged" in said

        yard.apply(front_end("older"))
        yard.until_ready("older")
        yard.spec("newer", replicas=1)
        yard.until_ready("newer")


def _refused(space: Space, service: str, reason: str) -> str:
    """Wait for a reason that only Ready reports, and its Event; return the message."""
    said = space.until_condition(service, "Ready", "False", reason, within=SOON)
    space.until_event(service, "Warning", reason)
    return said


def _like_the_default(space: Space, name: str) -> Object:
    """Return a storage class like the cluster's default, with another name."""
    classes: list[Object] = json.loads(space.kubectl("get", "storageclasses", "-o", "json"))["items"]
    mark = "storageclass.kubernetes.io/is-default-class"
    default = next(c for c in classes if c["metadata"].get("annotations", {}).get(mark) == "true")
    kept = {key: default[key] for key in ("apiVersion", "kind", "provisioner", "volumeBindingMode", "reclaimPolicy")}
    return {**kept, "metadata": {"name": name}}


@contextmanager
def _a_looser_schema(space: Space) -> Iterator[None]:
    """Raise the definition's limit of spec.replicas for the duration of the block."""
    path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/replicas/maximum"

    def bound(most: int) -> None:
        change = json.dumps([{"op": "replace", "path": path, "value": most}])
        space.kubectl("patch", "crd", "microservices.freehold.dev", "--type=json", "-p", change)

    bound(5000)
    try:
        yield
    finally:
        bound(100)
