"""Validation by the API server: accepted and refused resources, and the messages."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from freehold.api import naming
from freehold.core.model.resources import Object

from tests.api.cluster import Cluster, Refused
from tests.api.conftest import ROOT
from tests.api.validation import DATABASE, exposed, microservice, proxies, refusal

TAKEN = [
    ("gRPC alone", microservice()),
    ("HTTP alone", microservice(grpc=None, http={})),
    ("both, by their default ports", microservice(grpc={}, http={})),
    ("the longest name", microservice("a" * 40)),
    ("a name of one letter", microservice("a")),
    ("a name with digits and hyphens", microservice("users-2-eu")),
    ("none", microservice(replicas=0)),
    ("another cluster", microservice(placement={"cluster": "west", "rollbackWindow": "2h"})),
    ("from another cluster", microservice(placement={"fromCluster": "east"})),
    ("a hundred", microservice(replicas=100)),
    ("a selector that goes with Selector", microservice(grpc={"consumers": {"from": "Selector", "selector": {}}})),
    ("consumes its namesake elsewhere", microservice(consumes=[{"name": "users", "namespace": "accounts"}])),
    ("a database by its default engine and version", microservice(database={"storage": {"size": "1Gi"}})),
    ("half a gigabyte more", microservice(database={"storage": {"size": "1.5Gi"}})),
    *((f"a start within {time}", microservice(startupTimeout=time)) for time in ("1s", "90s", "5min", "60min", "1h")),
    (
        "blocks of addresses",
        microservice(egress=[{"cidr": c, "ports": [443]} for c in ("10.0.0.0/8", "2001:db8::/32")]),
    ),
    (
        "limits of its own",
        microservice(database={**DATABASE, "limits": {"connections": 20, "statementTimeout": "5min"}}),
    ),
    (
        "methods that are called",
        microservice(consumes=[{"name": "payments", "methods": ["shop.v1.Payments/Pay", "shop.v1.Payments_2/*"]}]),
    ),
    ("an image that does not say what it offers", microservice(grpc={"contract": "None"})),
    ("the newest version", microservice(database={**DATABASE, "version": "18"})),
    ("exposed", exposed()),
    ("every name below a domain", exposed(hostnames=["*.example.com", "users.example.org"])),
    ("one listener of a Gateway beside it", exposed(gateway={"name": "public", "sectionName": "grpc.tls"})),
    ("proxies elsewhere", proxies({"gateway.envoyproxy.io/owning-gateway-name": "public", "app": ""})),
]


@pytest.mark.parametrize(("says", "body"), TAKEN, ids=[says for says, _ in TAKEN])
def test_schema_accepted(cluster: Cluster, says: str, body: Object) -> None:
    """The API server accepts a valid resource."""
    assert refusal(cluster, body) == "", says


NAME_FORM = "must be at most 40 lower-case letters, digits and hyphens, start with a letter"
REFUSED = [
    ("no image", microservice(image=None), "spec.image: Required value"),
    ("an image with a space", microservice(image="a b"), "spec.image"),
    ("an image with an escape", microservice(image="users:\x1b]52;c;ZXZpbA==\x07"), "spec.image"),
    ("many resources", microservice(resources={"limits": {f"r{n}": "1" for n in range(17)}}), "at most 16"),
    (
        "neither gRPC nor HTTP",
        microservice(grpc=None),
        "a service needs spec.grpc or spec.http; declare at least one port",
    ),
    (
        "one port for both",
        microservice(grpc={"port": 8080}, http={"port": 8080}),
        "spec.grpc.port and spec.http.port are the same; give each a port of its own",
    ),
    (
        "a method without its service",
        microservice(consumes=[{"name": "payments", "methods": ["Pay"]}]),
        "is not a method; write one like shop.users.v1.UsersService/GetUser, or shop.users.v1.UsersService/* for all",
    ),
    ("a privileged gRPC port", microservice(grpc={"port": 1023}), "should be greater than or equal to 1024"),
    ("a privileged HTTP port", microservice(http={"port": 80}), "should be greater than or equal to 1024"),
    ("a port beyond the last", microservice(grpc={"port": 65536}), "should be less than or equal to 65535"),
    ("fewer than none", microservice(replicas=-1), "should be greater than or equal to 0"),
    ("more than a hundred", microservice(replicas=101), "should be less than or equal to 100"),
    (
        "Selector without a selector",
        microservice(grpc={"consumers": {"from": "Selector"}}),
        "from: Selector needs a selector; add one, or change from",
    ),
    (
        "a selector without Selector",
        microservice(grpc={"consumers": {"selector": {}}}),
        "selector requires from: Selector, and from is SameNamespace; change from, or remove selector",
    ),
    ("consumers from nowhere known", microservice(grpc={"consumers": {"from": "Some"}}), 'Unsupported value: "Some"'),
    ("a name too long", microservice("a" * 41), NAME_FORM),
    ("a name in upper case", microservice("Users"), "a lowercase RFC 1123 subdomain"),
    ("a digit first", microservice("2users"), NAME_FORM),
    ("a dot in the name", microservice("users.eu"), NAME_FORM),
    (
        "a name of a database",
        microservice("users-database"),
        "contains '-database', which is reserved for databases; choose another name",
    ),
    ("the name of every binding", microservice("database"), "a service is not named 'database'"),
    (
        "two places",
        microservice(placement={"cluster": "west", "namespace": "people"}),
        "placement.cluster means the namespace of the same name there",
    ),
    (
        "taken over from two",
        microservice(placement={"fromCluster": "east", "from": "people"}),
        "placement.fromCluster means the namespace of the same name there",
    ),
    ("a cluster that no Secret can be called", microservice(placement={"cluster": "We st"}), "spec.placement.cluster"),
    ("consumes itself", microservice(consumes=[{"name": "users"}]), "a service does not consume itself"),
    ("consumes twice", microservice(consumes=[{"name": "a"}, {"name": "a"}]), "Duplicate value"),
    ("consumes what cannot be a name", microservice(consumes=[{"name": "A_B"}]), "spec.consumes[0].name"),
    ("consumes a database", microservice(consumes=[{"name": "database"}]), "no service is named 'database'"),
    (
        "too much to consume",
        microservice(consumes=[{"name": f"a{i}"} for i in range(33)]),
        "must have at most 32 items",
    ),
    ("no address", microservice(egress=[{"cidr": "1.2.3/24", "ports": [443]}]), "is not an address block"),
    ("a name outside", microservice(egress=[{"cidr": "example.com", "ports": [443]}]), "spec.egress[0].cidr"),
    ("the world on every port", microservice(egress=[{"cidr": "0.0.0.0/0", "ports": []}]), "at least 1 items"),
    ("no time", microservice(database={**DATABASE, "limits": {"statementTimeout": "0s"}}), "limits.statementTimeout"),
    ("an unknown field", microservice(replica=2), 'unknown field "spec.replica"'),
    ("an unknown field of a field", microservice(grpc={"prot": 1}), 'unknown field "spec.grpc.prot"'),
    ("no storage", microservice(database={}), "spec.database.storage: Required value"),
    ("a start of no time", microservice(startupTimeout="0s"), "spec.startupTimeout"),
    ("a start of a day", microservice(startupTimeout="24h"), "is longer than 1h; shorten the start of the service"),
    ("a start beyond an hour", microservice(startupTimeout="3601s"), "is longer than 1h"),
    ("a start without a unit", microservice(startupTimeout="90"), "spec.startupTimeout"),
    ("another engine", microservice(database={**DATABASE, "engine": "oracle"}), 'Unsupported value: "oracle"'),
    ("a version too old", microservice(database={**DATABASE, "version": "9"}), "spec.database.version"),
    ("an empty command", microservice(database={**DATABASE, "migrations": {"command": []}}), "at least 1 item"),
    (
        "exposed and mutual",
        microservice(grpc={"tls": "Mutual", **exposed()["spec"]["grpc"]}),
        "remove expose or tls: Mutual, or expose another service that consumes this one",
    ),
    ("exposed by no Gateway", exposed(gateway=None), "spec.grpc.expose.gateway: Required value"),
    ("exposed by a Gateway in upper case", exposed(gateway={"name": "Public"}), "spec.grpc.expose.gateway.name"),
    (
        "a Gateway whose name is no label",
        exposed(gateway={"name": "a" * 64}),
        "spec.grpc.expose.gateway.name: Too long",
    ),
    ("exposed under no name", exposed(hostnames=[]), "should have at least 1 items"),
    ("exposed under too many", exposed(hostnames=[f"u{i}.example.com" for i in range(17)]), "at most 16 items"),
    ("exposed under one name twice", exposed(hostnames=["a.example.com"] * 2), "Duplicate value"),
    ("a name without a domain", exposed(hostnames=["users"]), "'users' is not a name under a domain; write one like"),
    ("an address for a name", exposed(hostnames=["192.0.2.1"]), "'192.0.2.1' is not a name under a domain"),
    ("a star within a name", exposed(hostnames=["users.*.com"]), "spec.grpc.expose.hostnames[0]"),
    ("a name with a port", exposed(hostnames=["users.example.com:443"]), "spec.grpc.expose.hostnames[0]"),
    ("proxies that are any pod", proxies({}), "at least 1 properties"),
    ("proxies by what is no label", proxies({"a b": "c"}), "has a key that is not a label key"),
    ("proxies by what is no label's value", proxies({"a": "-"}), "spec.grpc.expose.proxies.podLabels.a"),
    ("a policy unknown", microservice(database={**DATABASE, "deletionPolicy": "Keep"}), 'Unsupported value: "Keep"'),
]


@pytest.mark.parametrize(
    "name",
    ["Users", "1st", "a_b", "-a", "a-", "a" * 41, "database", "my-database", "database-users", "a" * 40],
)
def test_schema_names_as_in_scaffold(cluster: Cluster, name: str) -> None:
    """`freehold new` and the API server reject the same names with the same words."""
    said = refusal(cluster, microservice(name))
    assert bool(said) == bool(naming.refusal(name))
    assert (naming.refusal(name) or "") in said


@pytest.mark.parametrize(("says", "body", "words"), REFUSED, ids=[row[0] for row in REFUSED])
def test_schema_refused(cluster: Cluster, says: str, body: Object, words: str) -> None:
    """The API server refuses an invalid resource and names the cause."""
    assert words in refusal(cluster, body), says


@pytest.fixture(scope="module")
def existing(cluster: Cluster) -> Object:
    """A service with a database of 2Gi."""
    cluster.namespace("edits")
    return cluster.create(microservice(namespace="edits", database=DATABASE))


GOOD_EDITS: list[tuple[str, Object]] = [
    ("grows", {"storage": {"size": "3Gi"}}),
    ("says the same in other words", {"storage": {"size": "2048Mi"}}),
    ("corrects a class that does not exist", {"storage": {"className": "fast"}}),
    ("keeps its data", {"deletionPolicy": "Retain"}),
    ("lets its data go", {"deletionPolicy": "Delete"}),
    ("migrates otherwise", {"migrations": {"command": ["other"]}}),
]


@pytest.mark.usefixtures("existing")
@pytest.mark.parametrize(("says", "edit"), GOOD_EDITS, ids=[row[0] for row in GOOD_EDITS])
def test_schema_edit_accepted(cluster: Cluster, says: str, edit: Object) -> None:
    """The API server accepts a valid edit."""
    edited = cluster.patch("Microservice", "edits", "users", {"spec": {"database": edit}}, dryRun="All")
    assert edited["metadata"]["name"] == "users", says


BAD_EDITS: list[tuple[str, Object, str]] = [
    ("shrinks", {"storage": {"size": "1Gi"}}, "cannot shrink from 2Gi to 1Gi; a volume only grows"),
    ("shrinks by a unit", {"storage": {"size": "2G"}}, "cannot shrink from 2Gi to 2G; a volume only grows"),
    (
        "takes another version",
        {"version": "16"},
        "cannot change from 15 to 16 in place; major versions have different file",
    ),
    ("takes another engine", {"engine": "mariadb"}, 'Unsupported value: "mariadb"'),
]


@pytest.mark.usefixtures("existing")
@pytest.mark.parametrize(("says", "edit", "words"), BAD_EDITS, ids=[row[0] for row in BAD_EDITS])
def test_schema_edit_refused(cluster: Cluster, says: str, edit: Object, words: str) -> None:
    """The API server refuses an invalid edit and names the cause."""
    with pytest.raises(Refused) as refused:
        cluster.patch("Microservice", "edits", "users", {"spec": {"database": edit}}, dryRun="All")
    assert words in str(refused.value), says


def test_schema_message_in_kubectl(cluster: Cluster) -> None:
    """kubectl prints the message of a validation rule."""
    bad = yaml.safe_dump(microservice(grpc=None))
    said = cluster.kubectl("apply", "-f", "-", stdin=bad, succeeds=False)
    assert 'The Microservice "users" is invalid' in said
    assert "a service needs spec.grpc or spec.http; declare at least one port" in said


EXAMPLES = sorted(path for path in (ROOT / "manifests/examples").iterdir() if path.suffix == ".yaml" or path.is_dir())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_schema_examples(cluster: Cluster, example: Path) -> None:
    # As in the README: a folder's namespace first.
    """The examples apply."""
    first = [path for path in [example / "namespace.yaml"] if path.exists()]
    files = [word for path in (*first, example) for word in ("-f", str(path))]
    said = cluster.kubectl("apply", "--server-side", "--validate=strict", *files)
    assert "microservice.freehold.dev/" in said
    cluster.kubectl("delete", "--wait=false", "-f", str(example))
