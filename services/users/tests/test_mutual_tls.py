"""Tests of mutual TLS: allowed clients, and certificate rotation during calls."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from authority import HOUR, Authority, Identity, publish
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse
from harness import SERVING, Server, free_port, migrated_database

from shop.users.v1 import users_pb2 as pb
from shop.users.v1.users_pb2_grpc import UsersServiceStub

DENIED, UNAVAILABLE = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAVAILABLE


@dataclass(frozen=True)
class Guarded:
    """A server that admits calls of payments only."""

    server: Server
    authority: Authority
    directory: Path
    payments: Identity

    def call(self, client: Identity) -> pb.ListUsersResponse:
        """Call the server over a new connection."""
        return self.call_with(client.trusting(self.authority.certificate))

    def call_with(self, credentials: grpc.ChannelCredentials) -> pb.ListUsersResponse:
        with self.channel(credentials) as channel:
            return listed(channel)

    def channel(self, credentials: grpc.ChannelCredentials) -> grpc.Channel:
        # By default gRPC shares connections with equal credentials; without them no handshake would take
        # place.
        options = [("grpc.use_local_subchannel_pool", 1)]
        return grpc.secure_channel(f"localhost:{self.server.port}", credentials, options)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    authority, directory = Authority(), tmp_path / "identity"
    publish(directory, authority.issue("users"), authority.certificate, ("payments",))
    server = Server(
        migrated_database(),
        tmp_path / "log",
        GRPC_TLS="Mutual",
        GRPC_TLS_DIR=str(directory),
        GRPC_HEALTH_PORT=str(free_port()),
    )
    server.await_health(SERVING)
    yield Guarded(server, authority, directory, authority.issue("payments"))
    server.close()


def listed(channel: grpc.Channel) -> pb.ListUsersResponse:
    response: pb.ListUsersResponse = UsersServiceStub(channel).ListUsers(pb.ListUsersRequest(), timeout=5)
    return response


def reflected(channel: grpc.Channel) -> list[ServerReflectionResponse]:
    ask = channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=ServerReflectionRequest.SerializeToString,
        response_deserializer=ServerReflectionResponse.FromString,
    )
    return list(ask(iter([ServerReflectionRequest(list_services="")]), timeout=5))


def test_only_listed_clients_may_call(guarded: Guarded) -> None:
    """Clients with an invalid certificate fail in the handshake.

    Clients not on the list get PERMISSION_DENIED.
    """
    authority = guarded.authority
    expected = {
        "another authority": (Authority().issue("payments"), UNAVAILABLE),
        "expired": (authority.issue("payments", start=-3 * HOUR), UNAVAILABLE),
        "not yet valid": (authority.issue("payments", start=HOUR), UNAVAILABLE),
        "not on the list": (authority.issue("storefront"), DENIED),
    }

    assert guarded.call(guarded.payments) == pb.ListUsersResponse()
    assert {why: refused(guarded, client) for why, (client, _) in expected.items()} == {
        why: code for why, (_, code) in expected.items()
    }


def refused(guarded: Guarded, client: Identity) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as refused:
        guarded.call(client)
    return refused.value.code()


def test_client_certificate_is_required(guarded: Guarded) -> None:
    """Clients without a certificate, and clients without TLS, are refused."""
    with pytest.raises(grpc.RpcError) as bare:
        guarded.call_with(grpc.ssl_channel_credentials(guarded.authority.certificate))
    with (
        grpc.insecure_channel(f"localhost:{guarded.server.port}") as channel,
        pytest.raises(grpc.RpcError) as plain,
    ):
        listed(channel)

    assert (bare.value.code(), plain.value.code()) == (UNAVAILABLE, UNAVAILABLE)


@pytest.mark.parametrize(
    ("version", "accepted"), [(ssl.TLSVersion.TLSv1_2, False), (ssl.TLSVersion.TLSv1_3, True)]
)
def test_minimum_tls_version(guarded: Guarded, version: ssl.TLSVersion, accepted: bool) -> None:
    """TLS 1.2 is refused, TLS 1.3 accepted."""
    context = ssl.create_default_context(cadata=guarded.authority.certificate.decode())
    context.maximum_version = version
    context.set_alpn_protocols(["h2"])
    pair = guarded.directory.parent / "payments.pem"
    pair.write_bytes(guarded.payments.certificate + guarded.payments.key)
    context.load_cert_chain(pair)

    with socket.create_connection(("localhost", guarded.server.port), timeout=5) as connection:
        try:
            secret = context.wrap_socket(connection, server_hostname="localhost")
            answered = secret.recv(9) != b""  # in TLS 1.3 a client learns of a refusal at the first read
        except OSError:
            answered = False

    assert answered is accepted


def test_refusal_message_and_scope(guarded: Guarded) -> None:
    """A refusal names the fix, and applies to health and reflection too."""
    storefront = guarded.authority.issue("storefront").trusting(guarded.authority.certificate)
    with guarded.channel(storefront) as channel:
        health = HealthStub(channel)
        calls: tuple[Callable[[], object], ...] = (
            lambda: listed(channel),
            lambda: next(health.Watch(HealthCheckRequest(), timeout=5)),  # type: ignore[attr-defined]
            lambda: reflected(channel),
        )
        for call in calls:
            with pytest.raises(grpc.RpcError) as refused:
                call()
            assert refused.value.code() is DENIED
            assert str(refused.value.details()).startswith(
                "spiffe://cluster.local/ns/shop/sa/storefront may not call users; under Freehold, list users"
            )


def test_listed_client_health_and_reflection(guarded: Guarded) -> None:
    """A client on the list can use health and reflection."""
    with guarded.channel(guarded.payments.trusting(guarded.authority.certificate)) as channel:
        watching = HealthStub(channel).Watch(HealthCheckRequest(), timeout=5)  # type: ignore[attr-defined]

        assert next(watching).status == SERVING
        assert reflected(channel) != []


def test_client_list_is_read_per_call(guarded: Guarded) -> None:
    """A changed list applies to the next call of an open connection."""
    users = guarded.authority.issue("users")
    with guarded.channel(guarded.payments.trusting(guarded.authority.certificate)) as channel:
        listed(channel)
        publish(guarded.directory, users, guarded.authority.certificate, ())
        with pytest.raises(grpc.RpcError) as unlisted:
            listed(channel)
        publish(guarded.directory, users, guarded.authority.certificate, ("storefront", "payments"))
        again = listed(channel)
        (guarded.directory / "clients").unlink()
        with pytest.raises(grpc.RpcError) as unknown:
            listed(channel)

    assert unlisted.value.code() is DENIED
    assert unknown.value.code() is UNAVAILABLE
    assert again == pb.ListUsersResponse()


def test_rotation_fails_no_call(guarded: Guarded) -> None:
    """The CA and all certificates are replaced without a failed call."""
    old, new = guarded.authority.certificate, (successor := Authority()).certificate
    # The order of a rotation: both CAs are trusted before the first certificate of the new CA is used.
    versions = [
        (guarded.authority.issue("users"), guarded.payments, old),
        (guarded.authority.issue("users"), guarded.payments, old + new),
        (successor.issue("users"), successor.issue("payments"), old + new),
        (successor.issue("users"), successor.issue("payments"), new),
    ]
    now = {"credentials": guarded.payments.trusting(old)}
    stop, done = threading.Event(), threading.Semaphore(0)
    failed: list[grpc.RpcError] = []

    def call_on() -> None:
        while not stop.is_set():
            try:
                guarded.call_with(now["credentials"])
            except grpc.RpcError as error:
                failed.append(error)
            done.release()

    calling = threading.Thread(target=call_on)
    calling.start()
    with guarded.channel(guarded.payments.trusting(old)) as lasting:
        listed(lasting)
        for identity, client, authorities in versions:
            publish(guarded.directory, identity, authorities, ("payments",))
            now["credentials"] = client.trusting(authorities)
            for _ in range(10):
                done.acquire()
        listed(lasting)  # the connection is still open
    stop.set()
    calling.join()

    with pytest.raises(grpc.RpcError) as outdated:
        guarded.call_with(guarded.payments.trusting(new))

    assert failed == []
    assert outdated.value.code() is UNAVAILABLE


def test_health_port_is_plaintext(guarded: Guarded) -> None:
    """The health port serves health in plaintext, and no other service."""
    plain = guarded.server.channel  # the health port, used by the fixture
    with pytest.raises(grpc.RpcError) as users:
        listed(plain)
    with pytest.raises(grpc.RpcError) as reflection:
        reflected(plain)

    assert {users.value.code(), reflection.value.code()} == {grpc.StatusCode.UNIMPLEMENTED}
