"""Tests of the contract, over a connection and with a database."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import grpc
import pytest
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse
from harness import SERVING, Server, migrated_database

from shop.users.v1 import users_pb2 as pb
from shop.users.v1.users_pb2_grpc import UsersServiceStub


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server that the tests of this module share."""
    server = Server(migrated_database(), tmp_path_factory.mktemp("shared") / "log")
    server.await_health(SERVING)
    yield server
    server.close()


@pytest.fixture
def users(shared: Server) -> UsersServiceStub:
    return UsersServiceStub(shared.channel)


def register(users: UsersServiceStub, name: str, email: str) -> pb.RegisterUserResponse:
    response: pb.RegisterUserResponse = users.RegisterUser(
        pb.RegisterUserRequest(name=name, email=email), timeout=5
    )
    return response


def test_register_user_once_per_email(users: UsersServiceStub) -> None:
    """A second registration of an email address changes nothing and returns the first person."""
    first = register(users, " Ada ", "Ada@Example.org")
    again = register(users, "Somebody else", "ada@example.org")

    assert first.created and not again.created
    assert (first.user.name, first.user.email) == ("Ada", "ada@example.org")
    assert again.user == first.user
    assert users.GetUser(pb.GetUserRequest(id=first.user.id), timeout=5).user == first.user


def test_list_users_pages(server: Server) -> None:
    """The pages contain each person once, newest first."""
    users = UsersServiceStub(server.channel)
    for number in range(5):
        register(users, f"Person {number}", f"p{number}@example.org")

    pages, token = [], ""
    while True:
        page = users.ListUsers(pb.ListUsersRequest(page_size=2, page_token=token), timeout=5)
        pages.append([user.name for user in page.users])
        token = page.next_page_token
        if not token:
            break

    assert pages == [["Person 4", "Person 3"], ["Person 2", "Person 1"], ["Person 0"]]


@pytest.mark.parametrize(
    ("method", "request_", "sentence"),
    [
        (
            "RegisterUser",
            pb.RegisterUserRequest(email="a@b.org"),
            "name must have 1 to 200 characters; it has 0",
        ),
        (
            "RegisterUser",
            pb.RegisterUserRequest(name="A\0", email="a@b.org"),
            "name must not contain control",
        ),
        ("RegisterUser", pb.RegisterUserRequest(name="A" * 201, email="a@b.org"), "it has 201"),
        (
            "RegisterUser",
            pb.RegisterUserRequest(name="Ada", email="nope"),
            "email must look like ada@example.org",
        ),
        ("RegisterUser", pb.RegisterUserRequest(name="A", email=f"{'a' * 250}@b.org"), "at most 254"),
        ("GetUser", pb.GetUserRequest(id="7"), "id must be a user's UUID; it is '7'"),
        ("ListUsers", pb.ListUsersRequest(page_size=501), "page_size must be from 1 to 500"),
        ("ListUsers", pb.ListUsersRequest(page_size=-1), "page_size must be from 1 to 500"),
        ("ListUsers", pb.ListUsersRequest(page_token="x"), "page_token must be the next_page_token"),
    ],
)
def test_invalid_request_is_refused(
    users: UsersServiceStub, method: str, request_: object, sentence: str
) -> None:
    """An invalid request is refused with a message about the field."""
    with pytest.raises(grpc.RpcError) as refused:
        getattr(users, method)(request_, timeout=5)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert sentence in str(refused.value.details())


def test_get_user_not_found(users: UsersServiceStub) -> None:
    """An unknown id is refused with NOT_FOUND."""
    unknown = str(uuid.uuid4())
    with pytest.raises(grpc.RpcError) as refused:
        users.GetUser(pb.GetUserRequest(id=unknown), timeout=5)

    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert refused.value.details() == f"no user has the id {unknown}"


def test_response_names_server(shared: Server) -> None:
    """The trailing metadata of a response has the name of the server."""
    _, call = UsersServiceStub(shared.channel).ListUsers.with_call(pb.ListUsersRequest(), timeout=5)

    assert [value for key, value in call.trailing_metadata() if key == "served-by"] != []


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_lists_services(shared: Server, version: str) -> None:
    """Server reflection lists the service, health and reflection."""
    ask = shared.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=ServerReflectionRequest.SerializeToString,
        response_deserializer=ServerReflectionResponse.FromString,
    )
    answers = list(ask(iter([ServerReflectionRequest(list_services="")]), timeout=5))

    named = [service.name for service in answers[0].list_services_response.service]
    assert {
        "shop.users.v1.UsersService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
    } <= set(named)
