"""Quantities by the API server: taken as in pods, and refused with an example of a good one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from freehold.core.model.resources import Object

from tests.api.cluster import Cluster, Refused
from tests.api.validation import DATABASE, microservice, refusal

AMOUNTS_TAKEN = [0, 1, 0.1, 0.5, 10**9, "0", "1", "0.5", ".5Gi", "250m", "1e9", "2E0", "1E", "1.5Gi", "+1"]
AMOUNTS_REFUSED = [
    *(-1, -0.5, 1e19, "-1", "one", "", "1e3Mi", "1 Gi", "1e100", "1" * 21),
    *(True, False, {}, {"a": 1}, [], [1]),
]
SIZES_TAKEN = ["0.5Gi", "1.5Gi", 10**9, "1e9", "500M"]
SIZES_REFUSED = [0, -1, "0", "0Gi", "-1Gi", "big", "", "1 Gi", "1e3Mi"]


def with_amount(value: object) -> Object:
    return microservice(resources={"requests": {"example.com/gpu": value}, "limits": {"cpu": value}})


def with_size(value: object) -> Object:
    return microservice(database={"storage": {"size": value}})


@pytest.mark.parametrize("value", AMOUNTS_TAKEN, ids=repr)
def test_amount_accepted(cluster: Cluster, value: object) -> None:
    """Numbers, fractions, suffixes and exponents are taken."""
    assert refusal(cluster, with_amount(value)) == ""


@pytest.mark.parametrize("value", AMOUNTS_REFUSED, ids=repr)
def test_amount_refused(cluster: Cluster, value: object) -> None:
    """Whatever is no quantity is refused, by the name of the field."""
    assert "spec.resources.limits.cpu" in refusal(cluster, with_amount(value))


@pytest.mark.parametrize("value", SIZES_TAKEN, ids=repr)
def test_size_accepted(cluster: Cluster, value: object) -> None:
    """A size is any quantity above zero."""
    assert refusal(cluster, with_size(value)) == ""


@pytest.mark.parametrize("value", SIZES_REFUSED, ids=repr)
def test_size_refused(cluster: Cluster, value: object) -> None:
    """Another size is refused, with an example."""
    said = refusal(cluster, with_size(value))
    assert f"size {value} is not a quantity above zero; write one like 10Gi, 0.5Gi or 500M" in said


@pytest.mark.parametrize("value", [True, 0.5, [], {}], ids=repr)
def test_size_of_another_type(cluster: Cluster, value: object) -> None:
    """A size that is neither a whole number nor a string is refused."""
    assert "spec.database.storage.size: Invalid value" in refusal(cluster, with_size(value))


@pytest.fixture(scope="module")
def existing(cluster: Cluster) -> Iterator[None]:
    """A service with a database of 2Gi."""
    cluster.namespace("sizes")
    cluster.create(microservice(namespace="sizes", database=DATABASE))
    yield
    cluster.delete("Microservice", "sizes", "users")


def resized(cluster: Cluster, size: object) -> Object:
    body = {"spec": {"database": {"storage": {"size": size}}}}
    return cluster.patch("Microservice", "sizes", "users", body, dryRun="All")


@pytest.mark.usefixtures("existing")
@pytest.mark.parametrize("size", [2**31, "2147483648", "2.5Gi", "3e9"], ids=repr)
def test_size_grows(cluster: Cluster, size: object) -> None:
    """Sizes are compared by value, whatever their form."""
    assert resized(cluster, size)["spec"]["database"]["storage"]["size"] == size


@pytest.mark.usefixtures("existing")
@pytest.mark.parametrize("size", [10**9, "1e9", "1.5Gi"], ids=repr)
def test_size_cannot_shrink(cluster: Cluster, size: object) -> None:
    """A smaller size is refused, whatever its form."""
    with pytest.raises(Refused, match=f"cannot shrink from 2Gi to {size}; a volume only grows"):
        resized(cluster, size)


@pytest.mark.usefixtures("operator")
def test_quantities_of_pods(cluster: Cluster, home: str) -> None:
    """Numbers reach the pods."""
    resources = {"requests": {"cpu": 0.1, "memory": "128Mi"}, "limits": {"cpu": 1, "memory": 10**9}}
    cluster.create(microservice(namespace=home, resources=resources))
    cluster.ready(home)
    (container,) = (cluster.get("Deployment", home, "users") or {})["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"] | {"ephemeral-storage": ""} == {
        "cpu": "100m",
        "memory": "128Mi",
        "ephemeral-storage": "",
    }
    assert container["resources"]["limits"]["memory"] == "1G"
