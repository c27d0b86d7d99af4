"""The published service config, as text and as gRPC applies it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any

import grpc
import jsonschema
import pytest
from freehold.core.dependencies import service_config
from freehold.core.environment import container
from freehold.core.model.case import Case
from freehold.core.model.resources import CallNode, Object, Ref
from freehold.core.protobuf.compatibility import Idempotency

from tests import offered
from tests.unit.core.dependencies.service_config_schema import SCHEMA
from tests.unit.core.worlds import objects_of, observed, peer, peers, reconcile, service, settled

COUNT, GET, REGISTER = (f"shop.users.v1.UsersService/{method}" for method in ("CountUsers", "GetUser", "RegisterUser"))
LEVELS = {COUNT: Idempotency.UNKNOWN, GET: Idempotency.NO_SIDE_EFFECTS, REGISTER: Idempotency.IDEMPOTENT}


@pytest.mark.parametrize("levels", [LEVELS, {}])
@pytest.mark.parametrize("budget", [None, 1, 250, 999_999_000])
@pytest.mark.parametrize("hedge_after", [None, 60])
def test_text_has_the_documented_schema(
    levels: service_config.Levels, budget: int | None, hedge_after: int | None
) -> None:
    """The text satisfies the schema of gRPC service configs."""
    jsonschema.validate(json.loads(service_config.text(levels, budget, hedge_after)), SCHEMA)


def named(*methods: str) -> list[Object]:
    return [dict(zip(("service", "method"), method.split("/"), strict=True)) for method in methods]


def test_text_retries_declared_methods() -> None:
    """Only methods with a declared idempotency level are retried."""
    assert json.loads(service_config.text(LEVELS, 250, None)) == {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {"name": named(GET, REGISTER), "timeout": "0.250000000s", "retryPolicy": service_config.RETRY},
            {"name": [{}], "timeout": "0.250000000s"},
        ],
    }


def test_text_hedges_methods_without_side_effects() -> None:
    """With hedgeAfter, methods without side effects are hedged instead of retried."""
    hedging = {"maxAttempts": 2, "hedgingDelay": "0.060000000s", "nonFatalStatusCodes": ["UNAVAILABLE"]}
    assert json.loads(service_config.text(LEVELS, None, 60))["methodConfig"] == [
        {"name": named(REGISTER), "retryPolicy": service_config.RETRY},
        {"name": named(GET), "hedgingPolicy": hedging},
    ]


def test_text_is_deterministic() -> None:
    """The order of methods does not change the text."""
    backwards = dict(reversed(LEVELS.items()))
    assert service_config.text(LEVELS, 250, 60) == service_config.text(backwards, 250, 60)


USERS = replace(peer("users"), contract=offered.users())
CONSUMER = service("payments", consumes=[{"name": "users"}])


def config(consumes: Object | None = None, budget: int | None = None, **users: Any) -> Object | None:
    """The service config that payments gets for users, None without."""
    subject = service("payments", consumes=[{"name": "users", **(consumes or {})}])
    provider = replace(USERS, **users)
    seen = observed(peers=peers(provider), graph={provider.key: CallNode(budget)})
    text = service_config.published(Case(subject, seen), subject.spec.consumes[0])
    return json.loads(text) if text is not None else None


def timeouts(found: Object | None) -> set[str | None]:
    """All timeouts in a service config."""
    assert found is not None
    return {method.get("timeout") for method in found["methodConfig"]}


def test_timeout_is_the_latency_budget() -> None:
    """The timeout is the consumer's budget for the call, or else the provider's budget."""
    assert timeouts(config({"latencyBudget": "2s"}, budget=250)) == {"2.000000000s"}
    assert timeouts(config(budget=250)) == {"0.250000000s"}
    assert timeouts(config()) == {None}


def test_none_without_contract_or_consent() -> None:
    """Without a readable contract or without consent nothing is published."""
    assert config(contract=b"") is None
    assert config(contract=b"no descriptor set") is None
    assert (
        config(grpc=peer("x", grpc={"consumers": {"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}}).grpc)
        is None
    )


def test_provider_with_contract_none() -> None:
    """A provider with contract None gets balancing and a timeout only."""
    found = config(budget=250, contract=b"", grpc=peer("x", grpc={"contract": "None"}).grpc)
    assert found == {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [{"name": [{}], "timeout": "0.250000000s"}],
    }


def test_file_appears_without_a_rollout() -> None:
    """The file appears with the contract, and the Deployment stays unchanged."""
    unknown = settled(CONSUMER, observed(peers=peers(peer("users"))))
    published = replace(unknown, peers=peers(USERS), graph={USERS.key: CallNode(250)})
    before, after = (objects_of(reconcile(CONSUMER, seen)) for seen in (unknown, published))
    bindings, deployment = Ref("ConfigMap", "payments-consumes"), Ref("Deployment", "payments")
    assert "users.service-config" not in before[bindings]["data"]
    assert "users.service-config" in after[bindings]["data"]
    assert before[deployment] == after[deployment]


def test_file_is_optional() -> None:
    """A missing file does not keep a pod from starting."""
    (_, projected) = container.volumes(Case(CONSUMER, observed()))
    source = projected["projected"]["sources"][-1]["configMap"]
    assert source["optional"]
    assert source["items"] == [{"key": "users.service-config", "path": "users/service-config"}]
    required = [source["configMap"] for source in projected["projected"]["sources"][:-1]]
    assert not any("service-config" in item["key"] for source in required for item in source["items"])


@dataclass
class Server:
    """A server that fails the first calls, or answers slowly."""

    fails: int = 0
    calls: list[str] = field(default_factory=list)
    held: Event = field(default_factory=Event)
    slow: bool = False

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        def answer(_: bytes, context: grpc.ServicerContext) -> bytes:
            self.calls.append(details.method)
            if len(self.calls) <= self.fails:
                context.abort(grpc.StatusCode.UNAVAILABLE, "not at the moment")
            if self.slow:
                self.held.wait(10)
            return b"yes"

        return grpc.unary_unary_rpc_method_handler(answer)


@contextmanager
def calling(server: Server, config: str) -> Iterator[grpc.Channel]:
    """A client with this service config, connected to a real server."""
    pool = grpc.server(futures.ThreadPoolExecutor(2), handlers=[server])
    port = pool.add_insecure_port("127.0.0.1:0")
    pool.start()
    options = [("grpc.service_config", config), ("grpc.service_config_disable_resolution", 1)]
    try:
        with grpc.insecure_channel(f"dns:///127.0.0.1:{port}", options=options) as channel:
            yield channel
    finally:
        server.held.set()
        pool.stop(None).wait()


def outcome(channel: grpc.Channel, method: str) -> str:
    try:
        channel.unary_unary(f"/{method}")(b"", timeout=10)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


@pytest.mark.parametrize(
    ("title", "method", "hedge_after", "expected", "calls"),
    [
        ("IDEMPOTENT is retried", REGISTER, None, "OK", 3),
        ("NO_SIDE_EFFECTS is retried", GET, None, "OK", 3),
        ("an undeclared level is not retried", COUNT, None, "UNAVAILABLE", 1),
        ("a hedged method is not retried by gRPC's C core", GET, 60, "UNAVAILABLE", 1),
        ("other methods are unaffected", REGISTER, 60, "OK", 3),
    ],
)
def test_grpc_retries(title: str, method: str, hedge_after: int | None, expected: str, calls: int) -> None:
    """gRPC retries the methods that the service config allows."""
    server = Server(fails=2)
    with calling(server, service_config.text(LEVELS, 5000, hedge_after)) as channel:
        assert outcome(channel, method) == expected, title
    assert len(server.calls) == calls, title


@pytest.mark.parametrize("method", [GET, COUNT])
def test_grpc_applies_the_timeout(method: str) -> None:
    """gRPC ends a call after the timeout."""
    with calling(Server(slow=True), service_config.text(LEVELS, 100, None)) as channel:
        assert outcome(channel, method) == "DEADLINE_EXCEEDED"


def test_grpc_refuses_an_invalid_policy() -> None:
    """gRPC refuses an invalid service config, so the other tests would notice."""
    wrong = service_config.text(LEVELS, 5000, None).replace('"maxAttempts":4', '"maxAttempts":1')
    with calling(Server(), wrong) as channel:
        assert outcome(channel, GET) == "INVALID_ARGUMENT"
