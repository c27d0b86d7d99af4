"""Contracts: read from an image before its first pod, published, and compared to protect consumers."""

from __future__ import annotations

import base64
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tests import offered
from tests.e2e.support import image_layers
from tests.e2e.support.cluster import Cluster, Object, Space, conditions, uids
from tests.e2e.support.microservices import IMAGES, idle, microservice
from tests.e2e.support.storefront_client import Load, Storefront

pytestmark = pytest.mark.first

ROOT = Path(__file__).parents[2]
PROTOS = ROOT / "services/proto"
USERS = "shop/users/v1/users.proto"
CODE = "opt/users/lib/python3.11/site-packages/shop/users/v1"
EMAIL = "string email = 3;"
NICKNAME = "string email = 3;\n  // How friends call the person.\n  string nickname = 5;"
READER = "app.kubernetes.io/component=contract"
OFFERED = 90
"""Seconds until the contract of an image is known: the reader's deadline, on a busy machine."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module")
def another_users(cluster: Cluster, folder: Path) -> Callable[[str, str, str], str]:
    """A function that builds an image of users with one text of the contract replaced."""

    def make(tag: str, old: str, new: str) -> str:
        text = (PROTOS / USERS).read_text()
        assert old in text
        source = folder / tag / USERS
        source.parent.mkdir(parents=True)
        source.write_text(text.replace(old, new))
        out = source.parents[3]
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{out}", f"--python_out={out}", str(source)]
        subprocess.run(command, check=True, timeout=60)
        # Python would use the compiled original without checking the source file (PEP 552, unchecked).
        files = {
            f"{CODE}/users_pb2.py": source.with_name("users_pb2.py").read_bytes(),
            f"{CODE}/__pycache__/.wh.users_pb2.cpython-311.pyc": b"",
        }
        return image_layers.lay(cluster.stage, "users", f"users:{tag}", folder, files)

    return make


@pytest.fixture(scope="module")
def offering(cluster: Cluster, folder: Path) -> Callable[..., str]:
    """A function that builds an image that describes a contract and implements none of it."""

    def make(tag: str, contract: bytes, how: str = "plain") -> str:
        return image_layers.offering(cluster.stage, tag, folder, contract, how)

    return make


def test_contracts_breaking_and_additive(
    shop: Space, storefront: Storefront, another_users: Callable[[str, str, str], str]
) -> None:
    """A breaking image is held back before its migration, an additive image rolls out, and no call fails."""
    shop.until_condition("users", "ContractPublished", "True", within=OFFERED)
    breaking, additive = another_users("breaking", EMAIL, ""), another_users("additive", EMAIL, NICKNAME)
    pods, jobs = uids(shop.pods("users")), uids(shop.find("jobs", "app.kubernetes.io/component=migrations"))
    with Load(storefront):
        shop.spec("users", image=breaking)
        said = shop.until_condition("users", "ContractPublished", "False", "BreaksConsumers", within=OFFERED)
        warned = shop.until_event("users", "Warning", "BreaksConsumers")
        shop.until_condition("users", "Ready", "False", "BreaksConsumers")
        assert "users:breaking is held back: payments, storefront call shop.users.v1.UsersService/" in said
        assert "and field 3 'email' of shop.users.v1.User is gone" in said
        assert "users:dev goes on serving" in said
        assert "field 3 'email'" in warned
        assert uids(shop.pods("users")) == pods
        assert uids(shop.find("jobs", "app.kubernetes.io/component=migrations")) == jobs, "nor was anything migrated"

        shop.spec("users", image=additive)
        shop.until_ready("users")
        assert _image(shop, "users") == additive
        (message,) = [m for m in _published(shop, "users").file[0].message_type if m.name == "User"]
        assert "nickname" in {field.name for field in message.field}
        storefront.purchase()

        shop.spec("users", image=breaking)
        shop.until_condition("users", "Ready", "False", "BreaksConsumers", within=OFFERED)
        shop.spec("users", image=additive)
        shop.until_ready("users")
        # The rollback removes nickname, which breaks consumers by the rules; the annotation accepts the image.
        shop.spec("users", image=IMAGES["users"])
        shop.until_condition("users", "Ready", "False", "BreaksConsumers", within=OFFERED)
        shop.kubectl("annotate", "msvc", "users", f"freehold.dev/accept-contract={IMAGES['users']}")
        shop.until_ready("users")
        assert _image(shop, "users") == IMAGES["users"]
        assert "is let through by" in shop.until_event("users", "Warning", "ContractAccepted")
    shop.kubectl("annotate", "msvc", "users", "freehold.dev/accept-contract-")


def test_contracts_declared_methods(yard: Space, offering: Callable[..., str]) -> None:
    """Only changes of methods that a consumer declares hold an image back."""
    first, fewer = offering("first", offered.users()), offering("fewer", offered.users(offered.EMAIL))
    consumes = [{"name": "provider", "methods": ["shop.users.v1.UsersService/CountUser"]}]
    yard.apply(microservice("provider", image=first, grpc={}))
    yard.apply(idle("consumer", grpc={"contract": "None"}, consumes=consumes))
    said = yard.until_condition("consumer", "DependenciesResolved", "False", "MethodNotFound", within=OFFERED)
    assert "did you mean shop.users.v1.UsersService/CountUsers" in said
    yard.spec("consumer", consumes=[{"name": "provider", "methods": [offered.COUNT_USERS]}])
    yard.until_condition("consumer", "DependenciesResolved", "True")

    yard.spec("consumer", consumes=[{"name": "provider", "methods": [offered.GET_USER]}])
    yard.until_condition("consumer", "DependenciesResolved", "True")
    yard.spec("provider", image=fewer)
    yard.until_condition("provider", "Ready", "False", "BreaksConsumers", within=OFFERED)
    yard.spec("consumer", consumes=[{"name": "provider", "methods": [offered.COUNT_USERS]}])
    yard.until_ready("provider")
    assert _image(yard, "provider") == fewer
    yard.gone("pods,jobs,networkpolicies", "-l", f"{READER},app.kubernetes.io/instance=provider")


def test_contracts_large(yard: Space, offering: Callable[..., str]) -> None:
    """A contract of several messages is published whole, and a contract above the limit reports ContractTooLarge."""
    contract = _large(250)
    yard.apply(microservice("large", image=offering("large", contract), grpc={}))
    said = yard.until_condition("large", "ContractPublished", "True", within=2 * OFFERED)
    assert said.startswith("shop.large.v1.Large: 250 methods, read from")
    assert _published(yard, "large") == FileDescriptorSet.FromString(contract)
    yard.apply(microservice("larger", image=offering("larger", _large(1000)), grpc={}))
    yard.until_condition("larger", "ContractPublished", "False", "ContractTooLarge", within=OFFERED)
    yard.until_ready("larger")


@pytest.mark.parametrize(
    ("how", "reason", "words"),
    [
        ("liar", "ContractInvalid", "the service lists shop.users.v1.Ghost and does not describe it"),
        ("garbage", "ContractInvalid", "the service describes itself by bytes that are not a descriptor"),
        ("mute", "ContractUnreadable", "the service does not answer gRPC reflection on port 50051"),
        ("crash", "ContractUnreadable", "stopped with exit code 1: no such flag: --offer"),
    ],
)
def test_contracts_unreadable(yard: Space, offering: Callable[..., str], how: str, reason: str, words: str) -> None:
    """An image with invalid or absent reflection is reported by reason and rolls out unchecked."""
    yard.apply(microservice(how, image=offering(how, offered.users(), how), grpc={}))
    said = yard.until_condition(how, "ContractPublished", "False", reason, within=OFFERED)
    assert words in said
    assert words in yard.until_event(how, "Warning", reason)
    if how != "crash":
        yard.until_ready(how)


def test_contracts_reader_isolated(yard: Space, offering: Callable[..., str]) -> None:
    """The contract reader has no network, no token and no passwords, and all its objects are deleted afterwards."""
    yard.apply(microservice("asked", image=offering("curious", offered.users(), "curious"), grpc={}))
    yard.until_condition("asked", "ContractPublished", "True", within=OFFERED)
    yard.until_ready("asked")
    (file,) = [file for file in _published(yard, "asked").file if file.package == "found"]
    assert [method.name for method in file.service[0].method] == ["Nothing"]
    yard.gone("pods,jobs,networkpolicies", "-l", f"{READER},app.kubernetes.io/instance=asked")


def _image(space: Space, service: str) -> str:
    return str(space.get(f"deployment/{service}")["spec"]["template"]["spec"]["containers"][0]["image"])


def _published(space: Space, service: str) -> FileDescriptorSet:
    """Return the published contract of the serving image, once the status names the image."""

    def is_of_the_image(live: Object) -> bool:
        return bool(live["status"].get("contract", {}).get("image") == live["spec"]["image"])

    live = space.until(f"microservice/{service}", is_of_the_image)
    assert conditions(live)["ContractPublished"]["status"] == "True"
    kept = space.get(f"configmap/{live['status']['contract']['configMap']}")
    return FileDescriptorSet.FromString(base64.b64decode(kept["binaryData"]["descriptor-set"]))


def _large(methods: int) -> bytes:
    """Return a contract with random names, which compress badly."""
    words = random.Random(methods)
    names = [f"M{words.randbytes(12).hex()}" for _ in range(methods)]
    calls = "".join(f"rpc {name}(A{name}) returns (A{name});" for name in names)
    messages = "".join(f"message A{name} {{}}" for name in names)
    text = f'syntax = "proto3"; package shop.large.v1; service Large {{{calls}}} {messages}'
    return offered.compiled("shop/large/v1/large.proto", text)
