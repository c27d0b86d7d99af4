"""Contracts, from the reader's termination message to a rollout that waits, is held back, or continues."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from freehold.core.model.resources import Object
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from tests import offered
from tests.api import operators
from tests.api.cluster import Cluster, Refused, until
from tests.api.operators import Operator
from tests.api.shop import FULL, microservice

IMAGE = "localhost/freehold/operator:dev"
BREAKING = offered.users(offered.EMAIL)
READER = "app.kubernetes.io/component=contract"
NOW = "2026-01-02T03:04:05Z"


@pytest.fixture(scope="module")
def asking(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An operator with an image for contract readers."""
    log = tmp_path_factory.mktemp("operator") / "log"
    with operators.running(cluster.kubeconfig, log, image=IMAGE) as running:
        yield running
    assert "Traceback" not in log.read_text(), log.read_text()


def reader(cluster: Cluster, namespace: str, image: str) -> Object | None:
    """Return the reader's Job of an image."""
    asked = (live for live in cluster.list("Job", namespace) if "initContainers" in live["spec"]["template"]["spec"])
    return next((j for j in asked if j["spec"]["template"]["spec"]["initContainers"][0]["image"] == image), None)


def answer(cluster: Cluster, namespace: str, image: str, said: str) -> None:
    """Wait for the reader of an image, and end its pod with a termination message, in place of the kubelet."""
    job = until(lambda: reader(cluster, namespace, image), f"{image} is asked what it offers")
    name, template = job["metadata"]["name"], job["spec"]["template"]
    labels = {**template["metadata"]["labels"], "batch.kubernetes.io/job-name": name}
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job["metadata"]["uid"], "controller": True}
    metadata = {
        "name": f"{name}-x",
        "namespace": namespace,
        "labels": labels,
        "ownerReferences": [owner],
    }
    cluster.create({"kind": "Pod", "metadata": metadata, "spec": {**template["spec"]}})
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": NOW, "finishedAt": NOW, "message": said}
    status = {
        "name": "reader-0",
        "image": IMAGE,
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"terminated": ended},
    }
    cluster.patch("Pod", namespace, f"{name}-x", {"status": {"containerStatuses": [status]}}, "status")


def serving(cluster: Cluster, namespace: str) -> str:
    live = cluster.get("Deployment", namespace, "users") or {}
    return str(live["spec"]["template"]["spec"]["containers"][0]["image"])


def contracts(cluster: Cluster, namespace: str) -> list[str]:
    """Return the images with a published contract."""
    found = [live["metadata"].get("annotations", {}) for live in cluster.list("ConfigMap", namespace)]
    return sorted(notes["freehold.dev/image"] for notes in found if "freehold.dev/image" in notes)


def readers_left(cluster: Cluster, namespace: str) -> list[str]:
    """Return the Jobs, pods and network policies of readers; no garbage collector deletes pods here."""
    found = [live for kind in ("Job", "NetworkPolicy") for live in cluster.list(kind, namespace)]
    return [
        o["metadata"]["name"] for o in found if o["metadata"]["labels"].get("app.kubernetes.io/component") == "contract"
    ]


def end_pods(cluster: Cluster, namespace: str) -> None:
    """Delete the pods of deleted Jobs, in place of the garbage collector."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    for live in cluster.request("GET", path, labelSelector=READER)["items"]:
        cluster.request("DELETE", f"{path}/{live['metadata']['name']}", {"gracePeriodSeconds": 0})


def collect(cluster: Cluster, namespace: str) -> list[str]:
    """Delete the readers' Jobs and pods, in place of the garbage collector; return the objects that are left."""
    for live in cluster.list("Job", namespace):
        if live["metadata"]["labels"].get("app.kubernetes.io/component") == "contract":
            with suppress(Refused):  # the operator may have been quicker
                cluster.delete("Job", namespace, live["metadata"]["name"])
    return readers_left(cluster, namespace)


def shop(cluster: Cluster, home: str, *methods: str) -> None:
    """Create users with a published contract, and payments as its consumer."""
    cluster.create(microservice(home, **{**FULL, "consumes": []}))
    consumes = [{"name": "users", "methods": list(methods)}]
    cluster.create(microservice(home, "payments", grpc={"contract": "None"}, consumes=consumes))
    cluster.ready(home)
    answer(cluster, home, "users:1", offered.answer(offered.users()))
    cluster.says(home, "users", "ContractPublished", "Published")


@pytest.mark.usefixtures("asking")
def test_contracts_published(cluster: Cluster, home: str) -> None:
    """A contract is published and all objects of its reader are deleted."""
    cluster.create(microservice(home))
    ready = cluster.ready(home)
    assert ready["message"] == "2 of 2 conditions are met", "it does not wait for its reader"
    answer(cluster, home, "users:1", offered.answer(offered.users()))
    cluster.says(home, "users", "ContractPublished", "Published")
    until(lambda: readers_left(cluster, home) == ["users.contract"], "the Job is gone; its wall waits for the pod")
    end_pods(cluster, home)
    until(lambda: not readers_left(cluster, home), "and goes with it")
    live = cluster.get("Microservice", home, "users") or {}
    named = live["status"]["contract"]
    assert named["image"] == "users:1"
    kept = cluster.get("ConfigMap", home, named["configMap"]) or {}
    assert kept["metadata"]["annotations"]["freehold.dev/image"] == "users:1"
    cluster.patch("ConfigMap", home, named["configMap"], {"binaryData": {"descriptor-set": "AAAA"}})

    def restored() -> bool:
        return (cluster.get("ConfigMap", home, named["configMap"]) or {}).get("binaryData") == kept["binaryData"]

    # A reconciliation that observed the contract before the edit writes the contract again, without a reader.
    until(lambda: reader(cluster, home, "users:1") or restored(), "what somebody wrote into it does not count")
    cluster.delete("Microservice", home, "users")
    # The operator may observe the Job's deletion before the resource's, and create the Job again.
    until(lambda: not collect(cluster, home), "the wall goes with the resource")


def test_contracts_held_back_across_restarts(cluster: Cluster, home: str, tmp_path: Path) -> None:
    """A breaking rollout is held back across operator restarts, and released once its consumer permits."""
    log = tmp_path / "log"
    with operators.running(cluster.kubeconfig, log, home, image=IMAGE):
        shop(cluster, home, offered.GET_USER)
        cluster.patch("Microservice", home, "users", {"spec": {"image": "users:2"}})
        cluster.says(home, "users", "EndpointReady", "ReadingContract")
    # The operator was killed while the contract is read; the next operator receives the answer.
    with operators.running(cluster.kubeconfig, log, home, image=IMAGE):
        answer(cluster, home, "users:2", offered.answer(BREAKING))
        said = cluster.says(home, "users", "Ready", "BreaksConsumers")
        assert "users:2 is held back: payments calls shop.users.v1.UsersService/GetUser" in said["message"]
    with operators.running(cluster.kubeconfig, log, home, image=IMAGE):
        cluster.patch("Microservice", home, "users", {"spec": {"replicas": 3}})
        until(
            lambda: (cluster.get("Deployment", home, "users") or {})["spec"]["replicas"] == 3, "it scales all the same"
        )
        cluster.says(home, "users", "Ready", "BreaksConsumers")
        assert serving(cluster, home) == "users:1"
        jobs = [live for live in cluster.list("Job", home) if "-migrations-" in live["metadata"]["name"]]
        assert [j["spec"]["template"]["spec"]["containers"][0]["image"] for j in jobs] == ["users:1"]
        # The methods that the consumer declares decide.
        methods = {"spec": {"consumes": [{"name": "users", "methods": [offered.COUNT_USERS]}]}}
        cluster.patch("Microservice", home, "payments", methods)
        cluster.ready(home)
        assert serving(cluster, home) == "users:2"
        until(lambda: contracts(cluster, home) == ["users:2"], "what the other offers is forgotten")
    assert "Traceback" not in log.read_text(), log.read_text()


@pytest.mark.usefixtures("asking")
def test_contracts_ways_out(cluster: Cluster, home: str) -> None:
    """A rollback, a corrected image and the accept annotation each end a held-back rollout."""
    shop(cluster, home)
    cluster.patch("Microservice", home, "users", {"spec": {"image": "users:2"}})
    answer(cluster, home, "users:2", offered.answer(BREAKING))
    cluster.says(home, "users", "Ready", "BreaksConsumers")
    cluster.patch("Microservice", home, "users", {"spec": {"image": "users:1"}})
    cluster.ready(home)
    cluster.patch("Microservice", home, "users", {"spec": {"image": "users:3"}})
    until(lambda: reader(cluster, home, "users:3"), "the third is asked")
    cluster.patch("Microservice", home, "users", {"spec": {"image": "users:4"}})
    answer(
        cluster, home, "users:4", offered.answer(offered.users("int64 count = 1;", "int64 count = 1; bool all = 2;"))
    )
    cluster.ready(home)
    assert serving(cluster, home) == "users:4"
    assert reader(cluster, home, "users:3") is None
    cluster.patch("Microservice", home, "users", {"spec": {"image": "users:5"}})
    answer(cluster, home, "users:5", offered.answer(BREAKING))
    cluster.says(home, "users", "Ready", "BreaksConsumers")
    accept = {"metadata": {"annotations": {"freehold.dev/accept-contract": "users:5"}}}
    cluster.patch("Microservice", home, "users", accept)
    cluster.ready(home)
    assert serving(cluster, home) == "users:5"
    events = cluster.request("GET", f"/apis/events.k8s.io/v1/namespaces/{home}/events")["items"]
    (accepted,) = [event for event in events if event["reason"] == "ContractAccepted"]
    assert "although payments calls shop.users.v1.UsersService" in accepted["note"]


@pytest.mark.usefixtures("asking")
def test_contracts_unreadable(cluster: Cluster, home: str) -> None:
    """An image with an unreadable contract is reported and rolls out."""
    shop(cluster, home)
    cluster.patch("Microservice", home, "users", {"spec": {"image": "users:2"}})
    fault = '{"fault":"ContractInvalid","message":"the service lists x.Y and does not describe it"}'
    answer(cluster, home, "users:2", fault)
    said = cluster.says(home, "users", "ContractPublished", "ContractInvalid")
    assert said["status"] == "False"
    cluster.ready(home)
    assert serving(cluster, home) == "users:2"


@pytest.mark.usefixtures("asking")
def test_contracts_method_not_found(cluster: Cluster, home: str) -> None:
    """A consumer of an absent method reports MethodNotFound once the contract is known."""
    cluster.create(microservice(home))
    consumes = [{"name": "users", "methods": ["shop.users.v1.UsersService/FindUser"]}]
    cluster.create(microservice(home, "payments", grpc={"contract": "None"}, consumes=consumes))
    cluster.ready(home)
    cluster.ready(home, "payments")
    answer(cluster, home, "users:1", offered.answer(offered.users()))
    said = cluster.says(home, "payments", "DependenciesResolved", "MethodNotFound")
    assert "offers no method shop.users.v1.UsersService/FindUser; did you mean" in said["message"]
    methods = {"spec": {"consumes": [{"name": "users", "methods": [offered.GET_USER]}]}}
    cluster.patch("Microservice", home, "payments", methods)
    cluster.ready(home, "payments")


@pytest.mark.usefixtures("asking")
def test_contracts_that_crash_protobuf(cluster: Cluster, home: str) -> None:
    """Descriptors that would crash protobuf's runtime make the contract invalid; the operator goes on."""
    cluster.create(microservice(home))
    cluster.create(microservice(home, "payments", grpc={"contract": "None"}, consumes=[{"name": "users"}]))
    cluster.ready(home)
    answer(cluster, home, "users:1", offered.answer(offered.users()))
    cluster.says(home, "users", "ContractPublished", "Published")
    file = FileDescriptorProto(name="a.proto", package="a", syntax="proto2")
    file.message_type.add(name="M").field.add(name="b", number=1, type=9, label=3, default_value="x")
    file.service.add(name="S").method.add(name="Do", input_type=".a.M", output_type=".a.M")
    hostile = FileDescriptorSet(file=[file]).SerializeToString()
    cluster.patch("Microservice", home, "users", {"spec": {"image": "users:2"}})
    answer(cluster, home, "users:2", offered.answer(hostile))
    found = cluster.says(home, "users", "ContractPublished", "ContractInvalid")
    assert "field a.M.b has a default, and is repeated or a message" in found["message"]
    until(lambda: serving(cluster, home) == "users:2", "an invalid contract holds nobody")
    cluster.create(microservice(home, "other", grpc={"contract": "None"}))
    cluster.ready(home, "other")
