"""Another cluster as one more namespace: how it is called on either side, and what leads there."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from freehold.api.v1alpha1.placement import Placement
from freehold.core import certificates
from freehold.core.database.instance import Instance, replica_of
from freehold.core.handover import endpoint_slices
from freehold.core.model import remote
from freehold.core.model.case import Case
from freehold.core.model.resources import Authority, Key, Object, Observed, Peer, Ref, Service
from freehold.core.objects import meta, names
from freehold.core.peers import counterpart, remote_callers
from freehold.kube import certificate_authority
from pydantic import ValidationError

from tests.unit.core.worlds import DATABASE, observed, service

HERE, THERE = Key("shop", "users"), Key("shop@west", "users")
GRPC = service().spec.grpc
SERVER = Ref("Secret", "users-database-tls")


def goes() -> Service:
    return service(database=DATABASE, placement={"cluster": "west"})


def paired(**partner: Object) -> Observed:
    """users goes to west, and is taken over there."""
    peer = Peer(THERE, GRPC, frozenset(), replaces="shop", destination="shop@west", database="PostgreSQL 15")
    objects = {Ref(live["kind"], name): live for name, live in partner.items()}
    return replace(observed(), peers={THERE: peer}, aliases={HERE: THERE}, counterpart=objects)


def pod(address: str, component: str, name: str = "users-x", **labels: str) -> Object:
    labelled = {**meta.selector("users", component), **labels}
    return {"kind": "Pod", "metadata": {"name": name, "labels": labelled}, "status": {"podIP": address}}


@pytest.mark.parametrize(
    ("said", "heard"), [("shop@east", "shop"), ("shop", "shop@west"), ("people", "people@west"), ("", "")]
)
def test_what_one_side_says_is_turned_into_how_it_is_called_on_the_other(said: str, heard: str) -> None:
    assert remote.as_seen_here(said, "west") == heard


def test_where_a_service_goes_and_comes_from() -> None:
    assert remote.destination(Placement(cluster="west"), "shop") == "shop@west"
    assert remote.destination(Placement(namespace="people"), "shop") == "people"
    assert remote.destination(Placement(), "shop") == "shop"
    assert remote.origin(Placement(from_cluster="east"), "shop") == "shop@east"
    assert remote.origin(Placement(), "shop") == ""


def test_a_server_that_follows_across_clusters_names_the_other_as_each_side_calls_it() -> None:
    leader = Instance(1, 1, abroad="shop@east")
    said = str(replica_of(goes(), leader))
    assert said == "users-database-0-remote.users-database-nodes.shop.svc@1"
    template = {"metadata": {"annotations": {meta.PRIMARY: said}}}
    seen = Instance(1, 0, server={"spec": {"template": template}}, abroad="shop@west")
    assert seen.follows == replica_of(goes(), Instance(1, 1)), "seen from there, it follows the one here"
    assert names.as_counterpart_calls(names.as_counterpart_calls(said)) == said


def test_certificates_prove_the_names_of_both_sides_which_are_the_same() -> None:
    alone, both = certificates.requests(Case(goes(), observed())), certificates.requests(Case(goes(), paired()))
    assert alone == both and not [host for request in both for host in request.hosts if "@" in host]


@pytest.mark.parametrize(
    ("placement", "message"),
    [({"cluster": "West"}, "pattern"), ({"fromCluster": "a.b"}, "pattern"), ({"cluster": "x" * 64}, "63 characters")],
)
def test_a_cluster_is_named_as_a_secret_is(placement: Object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Placement.model_validate(placement)


def test_an_address_is_led_to_while_its_pod_has_one_and_serves() -> None:
    leaving = pod("10.2.0.8", "service", "users-z")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    leaving["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    over = pod("10.2.0.9", "service", "users-y")
    over["status"]["phase"] = "Succeeded"
    probe = pod("10.2.0.7", "service", "users-probe", **{meta.PROBE: "true"})
    seen = paired(x=pod("10.2.0.6", "service"), z=leaving, y=over, probe=probe)
    (points, *_) = endpoint_slices.objects(Case(goes(), seen), "forwarding")
    told = {point["addresses"][0]: point["conditions"]["ready"] for point in points["endpoints"]}
    assert told == {"10.2.0.6": False, "10.2.0.8": False}, "none is ready: one not yet, one no more"
    assert endpoint_slices.SERVICE_NAME not in points["metadata"]["labels"], "the name does not lead there yet"


def test_servers_have_names_here_and_what_moves_the_data_has_none() -> None:
    seen = paired(
        s=pod("10.2.0.5", "database", "users-database-0"), d=pod("10.2.0.4", "database", "users-database-proxy-0")
    )
    (servers, _) = endpoint_slices.objects(Case(goes(), seen), "forwarding")
    assert [point["hostname"] for point in servers["endpoints"]] == ["users-database-0-remote"]
    assert sorted(remote_callers.counterpart_addresses(seen, meta.DATABASE)) == ["10.2.0.4", "10.2.0.5"], (
        "the wall lets in both"
    )


def test_nothing_leads_from_a_service_that_moves_within_its_cluster() -> None:
    near = Key("people", "users")
    seen = replace(observed(), aliases={HERE: near}, counterpart={Ref("Pod", "x"): pod("10.1.0.6", "service")})
    assert endpoint_slices.objects(Case(service(placement={"namespace": "people"}), seen), "forwarding") == ()


def test_who_was_left_behind_is_told_by_the_side_that_leads_here_alone() -> None:
    told: Object = {"kind": "ConfigMap", "data": {"shop.payments": "10.1.0.7 10.1.0.8", "web.front": ""}}
    taker = service(database=DATABASE, placement={"fromCluster": "east"})
    other = Key("shop@east", "users")
    seen = replace(observed(), aliases={other: HERE}, counterpart={Ref("ConfigMap", "users-callers"): told})
    assert remote_callers.remote_consumers(Case(taker, seen)) == {
        Key("shop@east", "payments"): ("10.1.0.7", "10.1.0.8"),
        Key("web@east", "front"): (),
    }
    assert remote_callers.remote_consumers(Case(goes(), replace(seen, aliases={HERE: THERE}))) == {}


def test_an_address_of_either_kind_is_a_block_of_one() -> None:
    assert [block["ipBlock"]["cidr"] for block in remote_callers.ip_blocks(["10.2.0.6", "fd00::6"])] == [
        "10.2.0.6/32",
        "fd00::6/128",
    ]


def test_sides_with_an_authority_in_common_trust_each_other() -> None:
    mine, other = (certificate_authority.generate(datetime.now(UTC))["ca.crt"] for _ in range(2))
    seen = replace(paired(), authority=Authority(trusted=mine))

    def trusting(bundle: str) -> Observed:
        encoded = base64.b64encode(bundle.encode()).decode()
        return replace(seen, counterpart={SERVER: {"data": {"ca.crt": encoded}}})

    assert counterpart.untrusted(Case(goes(), trusting(mine))) == ""
    assert counterpart.untrusted(Case(goes(), trusting(other + mine))) == "", "as while one is renewed"
    assert "trusts another certificate authority" in counterpart.untrusted(Case(goes(), trusting(other)))
    assert counterpart.untrusted(Case(goes(), seen)) == "", "not known yet"
