"""What is published of how to call a service: the text, and what gRPC itself makes of it."""

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
from tests.unit.core.worlds import objects_of, observed, peer, peers, reconcile, service, settled

COUNT, GET, REGISTER = (f"shop.users.v1.UsersService/{method}" for method in ("CountUsers", "GetUser", "RegisterUser"))
LEVELS = {COUNT: Idempotency.UNKNOWN, GET: Idempotency.NO_SIDE_EFFECTS, REGISTER: Idempotency.IDEMPOTENT}
DURATION = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]{1,9})?s$"}
CODES = {"type": "array", "minItems": 1, "items": {"enum": [code.name for code in grpc.StatusCode]}}


def policy(**fields: Object) -> Object:
    """Of a policy in a method's config: all its fields are required, but no others known."""
    whole = {"maxAttempts": {"type": "integer", "minimum": 2, "maximum": 5}, **fields}
    return {"type": "object", "properties": whole, "required": list(whole), "additionalProperties": False}


NAME = {
    "type": "object",
    "properties": {"service": {"type": "string", "minLength": 1}, "method": {"type": "string", "minLength": 1}},
    "dependentRequired": {"method": ["service"]},
    "additionalProperties": False,
}
RETRY = policy(
    initialBackoff=DURATION,
    maxBackoff=DURATION,
    backoffMultiplier={"type": "number", "exclusiveMinimum": 0},
    retryableStatusCodes=CODES,
)
METHOD = {
    "type": "object",
    "properties": {
        "name": {"type": "array", "minItems": 1, "items": NAME},
        "timeout": DURATION,
        "retryPolicy": RETRY,
        "hedgingPolicy": policy(hedgingDelay=DURATION, nonFatalStatusCodes=CODES),
    },
    "required": ["name"],
    "not": {"required": ["retryPolicy", "hedgingPolicy"]},
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "properties": {
        "loadBalancingConfig": {"type": "array", "items": {"type": "object", "minProperties": 1, "maxProperties": 1}},
        "methodConfig": {"type": "array", "items": METHOD},
    },
    "additionalProperties": False,
}
"""As far as it is used here, grpc/grpc-proto grpc/service_config/service_config.proto in JSON, bounds from A6."""


@pytest.mark.parametrize("levels", [LEVELS, {}])
@pytest.mark.parametrize("budget", [None, 1, 250, 999_999_000])
@pytest.mark.parametrize("hedge_after", [None, 60])
def test_it_has_the_documented_shape(
    levels: service_config.Levels, budget: int | None, hedge_after: int | None
) -> None:
    jsonschema.validate(json.loads(service_config.text(levels, budget, hedge_after)), SCHEMA)


def named(*methods: str) -> list[Object]:
    return [dict(zip(("service", "method"), method.split("/"), strict=True)) for method in methods]


def test_only_what_the_contract_lets_be_repeated_is_repeated() -> None:
    assert json.loads(service_config.text(LEVELS, 250, None)) == {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {"name": named(GET, REGISTER), "timeout": "0.250000000s", "retryPolicy": service_config.RETRY},
            {"name": [{}], "timeout": "0.250000000s"},
        ],
    }


def test_what_has_no_side_effects_is_hedged_where_that_is_asked_for() -> None:
    hedging = {"maxAttempts": 2, "hedgingDelay": "0.060000000s", "nonFatalStatusCodes": ["UNAVAILABLE"]}
    assert json.loads(service_config.text(LEVELS, None, 60))["methodConfig"] == [
        {"name": named(REGISTER), "retryPolicy": service_config.RETRY},
        {"name": named(GET), "hedgingPolicy": hedging},
    ]


def test_the_same_facts_in_another_order_give_the_same_text() -> None:
    backwards = dict(reversed(LEVELS.items()))
    assert service_config.text(LEVELS, 250, 60) == service_config.text(backwards, 250, 60)


USERS = replace(peer("users"), contract=offered.users())
CONSUMER = service("payments", consumes=[{"name": "users"}])


def told(consumes: Object | None = None, promised: int | None = None, **users: Any) -> Object | None:
    """What payments is told of users, if it is."""
    subject = service("payments", consumes=[{"name": "users", **(consumes or {})}])
    provider = replace(USERS, **users)
    seen = observed(peers=peers(provider), graph={provider.key: CallNode(promised)})
    text = service_config.published(Case(subject, seen), subject.spec.consumes[0])
    return json.loads(text) if text is not None else None


def timeouts(config: Object | None) -> set[str | None]:
    assert config is not None
    return {method.get("timeout") for method in config["methodConfig"]}


def test_the_timeout_is_what_the_call_may_take_or_else_what_the_provider_promises() -> None:
    assert timeouts(told({"latencyBudget": "2s"}, promised=250)) == {"2.000000000s"}
    assert timeouts(told(promised=250)) == {"0.250000000s"}
    assert timeouts(told()) == {None}


def test_nothing_is_told_while_the_contract_is_not_known_or_the_provider_does_not_admit() -> None:
    assert told(contract=b"") is None
    assert told(contract=b"no descriptor set") is None
    assert (
        told(grpc=peer("x", grpc={"consumers": {"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}}).grpc)
        is None
    )


def test_a_provider_that_publishes_no_contract_is_balanced_and_bounded() -> None:
    config = told(promised=250, contract=b"", grpc=peer("x", grpc={"contract": "None"}).grpc)
    assert config == {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [{"name": [{}], "timeout": "0.250000000s"}],
    }


def test_the_file_comes_with_the_contract_and_rolls_nobody() -> None:
    unknown = settled(CONSUMER, observed(peers=peers(peer("users"))))
    known = replace(unknown, peers=peers(USERS), graph={USERS.key: CallNode(250)})
    before, after = (objects_of(reconcile(CONSUMER, seen)) for seen in (unknown, known))
    bindings, deployment = Ref("ConfigMap", "payments-consumes"), Ref("Deployment", "payments")
    assert "users.service-config" not in before[bindings]["data"]
    assert "users.service-config" in after[bindings]["data"]
    assert before[deployment] == after[deployment]


def test_a_pod_starts_without_the_file() -> None:
    (_, projected) = container.volumes(Case(CONSUMER, observed()))
    source = projected["projected"]["sources"][-1]["configMap"]
    assert source["optional"]
    assert source["items"] == [{"key": "users.service-config", "path": "users/service-config"}]
    required = [source["configMap"] for source in projected["projected"]["sources"][:-1]]
    assert not any("service-config" in item["key"] for one in required for item in one["items"])


@dataclass
class Server:
    """A server that fails so many calls first, and one whose answers can be held up."""

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
    """A client of a real server that was given this service config and no other."""
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
    ("says", "method", "hedge_after", "expected", "calls"),
    [
        ("what is IDEMPOTENT is repeated", REGISTER, None, "OK", 3),
        ("what has no side effects is repeated", GET, None, "OK", 3),
        ("what says nothing is not", COUNT, None, "UNAVAILABLE", 1),
        ("a method that is to be hedged is not repeated by gRPC's C core", GET, 60, "UNAVAILABLE", 1),
        ("its neighbours are as before", REGISTER, 60, "OK", 3),
    ],
)
def test_grpc_repeats(says: str, method: str, hedge_after: int | None, expected: str, calls: int) -> None:
    server = Server(fails=2)
    with calling(server, service_config.text(LEVELS, 5000, hedge_after)) as channel:
        assert outcome(channel, method) == expected, says
    assert len(server.calls) == calls, says


@pytest.mark.parametrize("method", [GET, COUNT])
def test_grpc_ends_a_call_that_takes_longer_than_it_may(method: str) -> None:
    with calling(Server(slow=True), service_config.text(LEVELS, 100, None)) as channel:
        assert outcome(channel, method) == "DEADLINE_EXCEEDED"


def test_a_policy_that_grpc_does_not_take_would_show() -> None:
    wrong = service_config.text(LEVELS, 5000, None).replace('"maxAttempts":4', '"maxAttempts":1')
    with calling(Server(), wrong) as channel:
        assert outcome(channel, GET) == "INVALID_ARGUMENT"
