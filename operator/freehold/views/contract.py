"""Contracts as data: the methods that a service offers, its callers, and the consumers that a change breaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from freehold.core.contracts import published, reader_job, rollout_gate
from freehold.core.model.conditions import Type
from freehold.core.model.resources import Key, Object, Service
from freehold.core.objects import deployments
from freehold.core.peers import consent
from freehold.core.protobuf.checks import Change, Check, Kind, Method, Result
from freehold.kube.client import Api
from freehold.kube.errors import ClusterError
from freehold.kube.kinds import BY_NAME
from freehold.sandbox import process as sandbox
from freehold.sandbox.frames import SandboxError
from freehold.views import lookup
from freehold.views.errors import Failure
from freehold.views.snapshot import Snapshot, read_everything, to_failure

Callers = Mapping[Key, tuple[str, ...] | None]
"""The consumers of a service and the methods that each consumer declares; None: all methods."""


@dataclass(frozen=True)
class Offer:
    """A valid contract and its source: an image or a file. raw: a serialized FileDescriptorSet."""

    source: str
    raw: bytes
    methods: tuple[Method, ...]


@dataclass(frozen=True)
class Difference:
    """A change of a contract, and the consumers that the change breaks."""

    change: Change
    breaks: tuple[Key, ...]


@dataclass(frozen=True)
class Offers:
    """The offers of a service, and a snapshot with its consumers.

    declared: the offer of the declared image, if requested and not serving.
    """

    service: Service
    snapshot: Snapshot
    serving: Offer
    declared: Offer | None = None


async def read(api: Api, home: str, name: str, *, declared: bool = False) -> Offers:
    """Read the offers of the service `name` or `namespace/name`. declared: whether to read both. Raises Failure."""
    snapshot = await read_everything(api, lookup.namespace_of(name, home))
    service = snapshot.services[lookup.find_service(name, home, snapshot.services)]
    serving = await _read_serving(api, service, snapshot)
    if not declared or service.spec.image == serving.source:
        return Offers(service, snapshot, serving)
    return Offers(service, snapshot, serving, await _read(api, service, service.spec.image, snapshot))


async def _read_serving(api: Api, service: Service, snapshot: Snapshot) -> Offer:
    """Read the contract of the serving image; before the first rollout, of the declared image. Raises Failure."""
    if service.spec.grpc is None:
        raise Failure(f"{service.key} has no contract: it declares no spec.grpc")
    if not reader_job.is_read(service):
        raise Failure(f"{service.key} publishes no contract: spec.grpc.contract is None")
    deployment = await _get(api, service, "Deployment", service.name)
    return await _read(api, service, deployments.image_of(deployment) if deployment else service.spec.image, snapshot)


async def _read(api: Api, service: Service, image: str, snapshot: Snapshot) -> Offer:
    live = await _get(api, service, "ConfigMap", published.name(service.name, image, service.annotations))
    raw = published.content(live)
    if raw is None:
        conditions = snapshot.status(service.key).get("conditions", [])
        messages = (each["message"] for each in conditions if each["type"] == Type.CONTRACT_PUBLISHED)
        raise Failure(f"the contract of {image} is not published: {next(messages, 'the image has not been read yet')}")
    return parse_offer(raw, image)


async def _get(api: Api, service: Service, kind: str, name: str) -> Object | None:
    try:
        return await api.get(BY_NAME[kind], service.namespace, name)
    except ClusterError as error:
        if error.status == 403:
            raise Failure(f"no right to read {kind} {name} of {service.key}: {error.message}") from error
        raise to_failure(error, service.namespace) from error


def parse_offer(raw: bytes, source: str) -> Offer:
    """Parse a serialized descriptor set. source: the image or file, for messages. Raises Failure."""
    result = _checked(Check(Kind.METHODS, raw))
    if result.fault:
        raise Failure(f"{source} holds no contract: {result.fault}")
    return Offer(source, raw, result.methods)


def files(offer: Offer) -> tuple[bytes, tuple[str, ...]]:
    """Return the files of an offer with all imports, as a serialized FileDescriptorSet, and their names.

    Raises Failure.
    """
    result = _checked(Check(Kind.FILES, offer.raw))
    if result.fault:
        raise Failure(f"{offer.source} cannot be used: {result.fault}")
    return result.files, result.file_names


def _checked(check: Check) -> Result:
    """Return the result of a check, computed in a process of its own. Raises Failure."""
    try:
        return sandbox.run(check)
    except SandboxError as error:
        raise Failure(str(error)) from error


def callers(provider: Service, snapshot: Snapshot, offer: Offer) -> Callers:
    """The services that declare to consume a provider and are admitted."""
    peer, offered = consent.as_peer(provider), [method.name for method in offer.methods]
    return {
        service.key: rollout_gate.called_methods(consumed.methods, offered)
        for service in snapshot.services.values()
        for consumed in service.spec.consumes
        if consent.provider_key(service, consumed) == provider.key
        and consent.admits(peer, service.namespace, snapshot.namespace_labels)
    }


def differences(before: Offer, after: Offer, callers: Callers) -> tuple[Difference, ...]:
    """All changes between two contracts, changes that break consumers first. Raises Failure."""
    result = _checked(Check(Kind.CHANGES, before.raw, after.raw))
    if result.fault:
        raise Failure(f"{before.source} and {after.source} cannot be compared: {result.fault}")

    def broken(change: Change) -> tuple[Key, ...]:
        changed = set(change.methods)
        return tuple(key for key, calls in callers.items() if change.rule and (calls is None or changed & set(calls)))

    listed = [Difference(change, broken(change)) for change in result.changes]
    return tuple(sorted(listed, key=lambda difference: not difference.breaks))


def content(service: Service, offer: Offer, callers: Callers) -> Object:
    """An offer as a document."""

    def entry(method: Method) -> Object:
        return {
            "method": method.name,
            "request": method.request,
            "response": method.response,
            "clientStreaming": method.client_streaming,
            "serverStreaming": method.server_streaming,
            "idempotency": method.idempotency.value,
            "calledBy": [str(key) for key, calls in callers.items() if calls is None or method.name in calls],
        }

    methods = [entry(method) for method in offer.methods]
    digest = published.digest(offer.raw)
    return {"service": str(service.key), "readFrom": offer.source, "digest": digest, "methods": methods}


def differences_content(service: Service, serving: Offer, other: Offer | None, found: tuple[Difference, ...]) -> Object:
    """The changes between two offers as a document. other: None without an offer to compare with."""

    def entry(difference: Difference) -> Object:
        change, breaks = difference.change, [str(key) for key in difference.breaks]
        described = {"element": change.element, "rule": change.rule or None, "message": change.message}
        return {**described, "methods": list(change.methods), "breaks": breaks}

    compared = {"serves": serving.source, "comparedWith": other.source if other else None}
    return {"service": str(service.key), **compared, "changes": [entry(difference) for difference in found]}
