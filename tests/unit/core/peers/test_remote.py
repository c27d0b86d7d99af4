"""A move to another cluster: names of remote namespaces, and remote endpoints."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from freehold.api.v1alpha1.placement import Placement
from freehold.core import certificates
from freehold.core.database.instance import Instance, replica_of
from freehold.core.handover import endpoint_slices, routing
from freehold.core.model import remote
from freehold.core.model.authority import Authority
from freehold.core.model.case import Case
from freehold.core.model.resources import Key, Object, Observed, Peer, Ref, Service
from freehold.core.objects import meta, names
from freehold.core.peers import counterpart, remote_callers
from freehold.core.workload import service as workload_service
from freehold.kube import certificate_authority
from pydantic import ValidationError

from tests.unit.core.worlds import DATABASE, observed, service

HERE, THERE = Key("shop", "users"), Key("shop@west", "users")
GRPC = service().spec.grpc
SERVER = Ref("Secret", "users-database-tls")


def moving() -> Service:
    """Return users, moving to cluster west."""
    return service(database=DATABASE, placement={"cluster": "west"})


def paired(**remote_objects: Object) -> Observed:
    """Return an observation of users during a move to cluster west, declared on both sides."""
    peer = Peer(THERE, GRPC, frozenset(), replaces="shop", destination="shop@west", database="PostgreSQL 15")
    objects = {Ref(live["kind"], name): live for name, live in remote_objects.items()}
    return replace(observed(), peers={THERE: peer}, aliases={HERE: THERE}, counterpart=objects)


def pod(address: str, component: str, name: str = "users-x", **labels: str) -> Object:
    """Return a remote pod of users with an address."""
    labels = {**meta.selector("users", component), **labels}
    return {"kind": "Pod", "metadata": {"name": name, "labels": labels}, "status": {"podIP": address}}


@pytest.mark.parametrize(
    ("remote_name", "local_name"), [("shop@east", "shop"), ("shop", "shop@west"), ("people", "people@west"), ("", "")]
)
def test_remote_namespace_translated(remote_name: str, local_name: str) -> None:
    """A namespace from the remote cluster's point of view is translated to the local one."""
    assert remote.as_seen_here(remote_name, "west") == local_name


def test_remote_destination_and_origin() -> None:
    """Destination and origin of a placement, with the cluster."""
    assert remote.destination(Placement(cluster="west"), "shop") == "shop@west"
    assert remote.destination(Placement(namespace="people"), "shop") == "people"
    assert remote.destination(Placement(), "shop") == "shop"
    assert remote.origin(Placement(from_cluster="east"), "shop") == "shop@east"
    assert remote.origin(Placement(), "shop") == ""


def test_remote_replica_of_translated() -> None:
    """A standby's `replica_of` names the primary as the cluster of the standby calls the host."""
    primary = Instance(1, 1, counterpart="shop@east")
    source = str(replica_of(moving(), primary))
    assert source == "users-database-0-remote.users-database-nodes.shop.svc@1"
    template = {"metadata": {"annotations": {meta.PRIMARY: source}}}
    standby = Instance(1, 0, server={"spec": {"template": template}}, counterpart="shop@west")
    assert standby.replicates_from == replica_of(moving(), Instance(1, 1)), "from the other side, the local primary"
    assert names.as_counterpart_calls(names.as_counterpart_calls(source)) == source


def test_remote_certificates_unchanged() -> None:
    """Certificates do not change for a move between clusters, since the names are equal."""
    alone, both = certificates.requests(Case(moving(), observed())), certificates.requests(Case(moving(), paired()))
    assert alone == both and not [host for request in both for host in request.hosts if "@" in host]


@pytest.mark.parametrize(
    ("placement", "message"),
    [({"cluster": "West"}, "pattern"), ({"fromCluster": "a.b"}, "pattern"), ({"cluster": "x" * 64}, "63 characters")],
)
def test_remote_cluster_name_is_secret_name(placement: Object, message: str) -> None:
    """A cluster's name must be a valid name of a Secret."""
    with pytest.raises(ValidationError, match=message):
        Placement.model_validate(placement)


def test_remote_endpoints_of_existing_pods() -> None:
    """The EndpointSlice has the pods with an address, without probes and ended pods."""
    terminating = pod("10.2.0.8", "service", "users-z")
    terminating["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    terminating["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    ended = pod("10.2.0.9", "service", "users-y")
    ended["status"]["phase"] = "Succeeded"
    probe = pod("10.2.0.7", "service", "users-probe", **{meta.PROBE: "true"})
    world = paired(x=pod("10.2.0.6", "service"), z=terminating, y=ended, probe=probe)
    (endpoint_slice, *_) = endpoint_slices.objects(Case(moving(), world), "handover")
    ready = {point["addresses"][0]: point["conditions"]["ready"] for point in endpoint_slice["endpoints"]}
    assert ready == {"10.2.0.6": False, "10.2.0.8": False}, "a starting pod and a terminating pod are not ready"
    assert endpoint_slices.SERVICE_NAME not in endpoint_slice["metadata"]["labels"], "not redirected yet"


def test_remote_instances_have_host_names() -> None:
    """Database instances have host names; the database proxy has none and is admitted by address."""
    world = paired(
        s=pod("10.2.0.5", "database", "users-database-0"), d=pod("10.2.0.4", "database", "users-database-proxy-0")
    )
    (instances, _) = endpoint_slices.objects(Case(moving(), world), "handover")
    assert [point["hostname"] for point in instances["endpoints"]] == ["users-database-0-remote"]
    assert sorted(remote_callers.counterpart_addresses(world, meta.DATABASE)) == ["10.2.0.4", "10.2.0.5"]


def test_remote_endpoints_only_between_clusters() -> None:
    """A move within the cluster has no remote endpoints."""
    local = Key("people", "users")
    world = replace(observed(), aliases={HERE: local}, counterpart={Ref("Pod", "x"): pod("10.1.0.6", "service")})
    assert endpoint_slices.objects(Case(service(placement={"namespace": "people"}), world), "handover") == ()


def test_remote_consumers_from_source() -> None:
    """The consumers of the source are known to the destination, and not the other way round."""
    published: Object = {"kind": "ConfigMap", "data": {"shop.payments": "10.1.0.7 10.1.0.8", "web.front": ""}}
    destination = service(database=DATABASE, placement={"fromCluster": "east"})
    source = Key("shop@east", "users")
    counterparts = {Ref("ConfigMap", "users-callers"): published}
    world = replace(observed(), aliases={source: HERE}, counterpart=counterparts)
    assert remote_callers.remote_consumers(Case(destination, world)) == {
        Key("shop@east", "payments"): ("10.1.0.7", "10.1.0.8"),
        Key("web@east", "front"): (),
    }
    assert remote_callers.remote_consumers(Case(moving(), replace(world, aliases={HERE: THERE}))) == {}


def test_remote_consumers_bounded() -> None:
    """However long the list from the other cluster is, the network policy stays small."""
    addresses = " ".join(f"10.1.{number // 250}.{number % 250}" for number in range(2500))
    many: Object = {"kind": "ConfigMap", "data": {f"evil.c{number:04}": addresses for number in range(2000)}}
    destination = service(placement={"fromCluster": "east"})
    source = Peer(Key("shop@east", "users"), GRPC, frozenset(), destination="shop")
    world = replace(observed(), peers={source.key: source}, aliases={source.key: HERE})
    callers = remote_callers.remote_consumers(
        Case(destination, replace(world, counterpart={Ref("ConfigMap", "users-callers"): many}))
    )
    assert len(callers) == sum(map(len, callers.values())) == 1000


def test_remote_ip_blocks() -> None:
    """An address of either IP family is a block with a single address."""
    assert [block["ipBlock"]["cidr"] for block in remote_callers.ip_blocks(["10.2.0.6", "fd00::6"])] == [
        "10.2.0.6/32",
        "fd00::6/128",
    ]


def test_remote_authorities_in_common() -> None:
    """Clusters with a common certificate authority trust each other."""
    own, other = (certificate_authority.generate(datetime.now(UTC))["ca.crt"] for _ in range(2))
    world = replace(paired(), authority=Authority(trusted=own))

    def trusting(bundle: str) -> Observed:
        encoded = base64.b64encode(bundle.encode()).decode()
        return replace(world, counterpart={SERVER: {"data": {"ca.crt": encoded}}})

    assert counterpart.untrusted(Case(moving(), trusting(own))) == ""
    assert counterpart.untrusted(Case(moving(), trusting(other + own))) == "", "both are trusted during a rotation"
    assert "trusts another certificate authority" in counterpart.untrusted(Case(moving(), trusting(other)))
    assert counterpart.untrusted(Case(moving(), world)) == "", "the remote authority is unknown"


def test_remote_redirect_outlives_addresses() -> None:
    """An endpoint that redirects to another cluster still does without addresses there; no pods start instead."""
    annotations = {meta.ENDPOINT_TARGET: "shop@west"}
    live = {"kind": "Service", "metadata": {"name": "users", "annotations": annotations}, "spec": {}}
    world = replace(paired(), objects={**observed().objects, Ref("Service", "users"): live})
    case = Case(moving(), world)
    assert not endpoint_slices.is_attached(case)
    built = workload_service.build(case)
    assert built["spec"]["selector"] == meta.selector("users", meta.REMOTE)
    assert built["metadata"]["annotations"][meta.ENDPOINT_TARGET] == "shop@west"
    assert not routing.runs_here(case)
