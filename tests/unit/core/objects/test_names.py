"""Every derived name is one its kind may have, and no two services ever want the same object."""

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
IN_A_LABEL = {"Service", "Job", "StatefulSet", "Deployment"}
"""Services become DNS labels; the others' names are written into their pods' labels or host names."""
HASH = "-0123456789"
LONGEST = service("a" * 40, database=DATABASE, consumes=[{"name": "b" * 40}], replicas=2)


def everything(subject: Service) -> dict[Ref, Object]:
    return objects_of(reconcile(subject, settled(subject, observed())))


@given(SERVICES)
@example(LONGEST)
def test_a_name_is_valid_for_its_kind(subject: Service) -> None:
    for kind, name in everything(subject):
        assert SUBDOMAIN.fullmatch(name), f"{kind} {name}"
        if kind in IN_A_LABEL:
            assert LABEL.fullmatch(name), f"{kind} {name}"
        if kind == "StatefulSet":
            assert len(name + HASH) <= 63, f"{name}: the revision in its pods' labels is too long"


@given(SERVICES)
@example(LONGEST)
def test_a_label_is_valid(subject: Service) -> None:
    for ref, body in everything(subject).items():
        template = body.get("spec", {}).get("template", {"metadata": {"labels": {}}})
        for value in [*body["metadata"]["labels"].values(), *template["metadata"]["labels"].values()]:
            assert LABEL_VALUE.fullmatch(value), f"{ref}: {value}"


@given(SERVICES, SERVICES)
@example(service("users", database=DATABASE), service("users-migrations", database=DATABASE))
@example(service("users", consumes=[{"name": "a"}]), service("users-consumes"))
def test_two_services_never_want_the_same_object(one: Service, other: Service) -> None:
    assume(one.name != other.name)
    assert not everything(one).keys() & everything(other).keys()


@given(SERVICES)
def test_one_service_wants_each_object_once(subject: Service) -> None:
    plans = reconcile(subject, settled(subject, observed()))
    assert sum(len(plan.objects) for plan in plans) == len(objects_of(plans))


@given(NAMES, NAMES)
def test_two_providers_have_variables_of_their_own(one: str, other: str) -> None:
    assert re.fullmatch(r"[A-Z][A-Z0-9_]*", names.target_variable(one))
    assert (names.target_variable(one) == names.target_variable(other)) == (one == other)


@given(SERVICES)
def test_a_binding_directory_belongs_to_one_service(subject: Service) -> None:
    pod = everything(subject).get(Ref("Deployment", subject.name), {"spec": {"template": {"spec": {"volumes": []}}}})
    for volume in pod["spec"]["template"]["spec"]["volumes"]:
        sources = volume.get("projected", {"sources": []})["sources"]
        paths = [item["path"] for source in sources for given in source.values() for item in given.get("items", [])]
        assert len(paths) == len(set(paths))


@given(st.integers(1024, 65535), st.none() | st.integers(1024, 65535))
def test_health_has_a_port_of_its_own(grpc: int, http: int | None) -> None:
    port = names.health_port(grpc, http)
    assert port not in (grpc, http) and 1 <= port <= 65535


def test_an_endpoint_is_reached_by_one_name() -> None:
    users = Key("shop", "users")
    assert names.endpoint(users, 50051) == "users.shop.svc:50051"
    assert names.target(users, 50051) == "dns:///users.shop.svc:50051"
    assert names.target_variable("card-payments") == "CARD_PAYMENTS_GRPC_TARGET"
