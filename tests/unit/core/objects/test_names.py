"""Derived names are valid for their kinds and never collide."""

from __future__ import annotations

import re

from freehold.core.model.resources import Key, Object, Ref, Service
from freehold.core.objects import names
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.unit.core.worlds import DATABASE, NAMES, SERVICES, objects_of, observed, reconcile, service, settled

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]{0,251}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
LABEL_KINDS = {"Service", "Job", "StatefulSet", "Deployment"}
"""Kinds whose names become DNS labels, host names of pods, or labels of pods."""
HASH = "-0123456789"
LONGEST = service("a" * 40, database=DATABASE, consumes=[{"name": "b" * 40}], replicas=2)


def planned(subject: Service) -> dict[Ref, Object]:
    """Return all objects of a service at rest."""
    return objects_of(reconcile(subject, settled(subject, observed())))


@given(SERVICES)
@example(LONGEST)
def test_names_valid_for_kind(subject: Service) -> None:
    """Each object's name is valid for the object's kind."""
    for kind, name in planned(subject):
        assert SUBDOMAIN.fullmatch(name), f"{kind} {name}"
        if kind in LABEL_KINDS:
            assert LABEL.fullmatch(name), f"{kind} {name}"
        if kind == "StatefulSet":
            assert len(name + HASH) <= 63, f"{name}: the revision in its pods' labels is too long"


@given(SERVICES)
@example(LONGEST)
def test_names_label_values_valid(subject: Service) -> None:
    """Each label of objects and pod templates has a valid value."""
    for ref, body in planned(subject).items():
        template = body.get("spec", {}).get("template", {"metadata": {"labels": {}}})
        for value in [*body["metadata"]["labels"].values(), *template["metadata"]["labels"].values()]:
            assert LABEL_VALUE.fullmatch(value), f"{ref}: {value}"


@given(SERVICES, SERVICES)
@example(service("users", database=DATABASE), service("users-migrations", database=DATABASE))
@example(service("users", consumes=[{"name": "a"}]), service("users-consumes"))
def test_names_services_never_collide(first: Service, second: Service) -> None:
    """Two services never plan the same object."""
    assume(first.name != second.name)
    assert not planned(first).keys() & planned(second).keys()


@given(SERVICES)
def test_names_objects_planned_once(subject: Service) -> None:
    """A service plans each object once."""
    plans = reconcile(subject, settled(subject, observed()))
    assert sum(len(plan.objects) for plan in plans) == len(objects_of(plans))


@given(NAMES, NAMES)
def test_names_variables_differ_by_provider(first: str, second: str) -> None:
    """Different providers have different environment variables, with valid names."""
    assert re.fullmatch(r"[A-Z][A-Z0-9_]*", names.target_variable(first))
    assert (names.target_variable(first) == names.target_variable(second)) == (first == second)


@given(SERVICES)
def test_names_binding_paths_unique(subject: Service) -> None:
    """Paths within a projected volume are unique."""
    pod = planned(subject).get(Ref("Deployment", subject.name), {"spec": {"template": {"spec": {"volumes": []}}}})
    for volume in pod["spec"]["template"]["spec"]["volumes"]:
        sources = volume.get("projected", {"sources": []})["sources"]
        paths = [item["path"] for source in sources for part in source.values() for item in part.get("items", [])]
        assert len(paths) == len(set(paths))


@given(st.integers(1024, 65535), st.none() | st.integers(1024, 65535))
def test_names_health_port_unused(grpc: int, http: int | None) -> None:
    """The health port is a valid port and differs from the service's ports."""
    port = names.health_port(grpc, http)
    assert port not in (grpc, http) and 1 <= port <= 65535


def test_names_address() -> None:
    """An IPv6 address is in brackets, so that the port can be told apart."""
    assert names.address("10.0.0.1", 5432) == "10.0.0.1:5432"
    assert names.address("fd00::1", 5432) == "[fd00::1]:5432"
    assert names.address("users.shop.svc", 5432) == "users.shop.svc:5432"


def test_names_endpoint_target_and_variable() -> None:
    """The address, the gRPC target and the variable of a provider."""
    users = Key("shop", "users")
    assert names.endpoint(users, 50051) == "users.shop.svc:50051"
    assert names.target(users, 50051) == "dns:///users.shop.svc:50051"
    assert names.target_variable("card-payments") == "CARD_PAYMENTS_GRPC_TARGET"
