"""What a service offers, and what another image of it, or a file, would change for those who call it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor
from rich.console import RenderableType
from rich.text import Text

from freehold.cli import output
from freehold.core.contracts import published, reader_job, rollout_gate
from freehold.core.model.conditions import Type
from freehold.core.model.resources import Key, Object, Service
from freehold.core.objects import deployments
from freehold.core.peers import consent
from freehold.core.protobuf import compatibility
from freehold.core.protobuf.compatibility import Change, Contract, Idempotency
from freehold.kube.client import Api
from freehold.kube.errors import ClusterError
from freehold.kube.kinds import BY_NAME
from freehold.views.errors import Failure
from freehold.views.snapshot import Picture, explained

REPEATED = {
    Idempotency.UNKNOWN: Text("no", "dim"),
    Idempotency.IDEMPOTENT: Text("yes"),
    Idempotency.NO_SIDE_EFFECTS: Text("yes, it only reads"),
}
Callers = Mapping[Key, tuple[str, ...] | None]
"""Who consumes a service and the methods that each declares; None: all of them."""


@dataclass(frozen=True)
class Offer:
    """A contract and where it is from: an image, or a file."""

    source: str
    contract: Contract


@dataclass(frozen=True)
class Difference:
    """A change, and the consumers that it breaks."""

    change: Change
    breaks: tuple[Key, ...]


async def serving(api: Api, service: Service, picture: Picture) -> Offer:
    """What consumers meet: that of the image that serves, or while none does of the one that is wanted.

    Raises Failure.
    """
    if service.spec.grpc is None:
        raise Failure(f"{service.key} declares no spec.grpc, so it offers nothing")
    if not reader_job.is_read(service):
        raise Failure(f"{service.key} is not asked what it offers: its spec.grpc.contract is None")
    deployment = await _get(api, service, "Deployment", service.name)
    return await _offer(api, service, deployments.image_of(deployment) if deployment else service.spec.image, picture)


async def waiting(api: Api, service: Service, served: Offer, picture: Picture) -> Offer | None:
    """That of the image that is wanted, where another serves. Raises Failure."""
    return None if service.spec.image == served.source else await _offer(api, service, service.spec.image, picture)


async def _offer(api: Api, service: Service, image: str, picture: Picture) -> Offer:
    live = await _get(api, service, "ConfigMap", published.name(service.name, image, service.annotations))
    raw = published.content(live)
    if raw is None:
        conditions = picture.status(service.key).get("conditions", [])
        said = next((c["message"] for c in conditions if c["type"] == Type.CONTRACT_PUBLISHED), "it was not asked yet")
        raise Failure(f"what {image} offers is not published: {said}")
    return parsed(raw, image)


async def _get(api: Api, service: Service, kind: str, name: str) -> Object | None:
    try:
        return await api.get(BY_NAME[kind], service.namespace, name)
    except ClusterError as error:
        if error.status == 403:
            raise Failure(f"no right to read {kind} {name} of {service.key}: {error.message}") from error
        raise explained(error, service.namespace) from error


def parsed(raw: bytes, source: str) -> Offer:
    """A descriptor set as an offer. Raises Failure."""
    try:
        return Offer(source, compatibility.parse(raw))
    except compatibility.ContractError as error:
        raise Failure(f"{source} holds no contract: {error}") from error


def callers(provider: Service, picture: Picture, offered: Contract) -> Callers:
    """Those that declare to consume it and are admitted."""
    peer = consent.as_peer(provider)
    return {
        service.key: rollout_gate.called_methods(consumed.methods, offered)
        for service in picture.services.values()
        for consumed in service.spec.consumes
        if consent.provider_key(service, consumed) == provider.key
        and consent.admits(peer, service.namespace, picture.namespace_labels)
    }


def differences(before: Contract, after: Contract, called: Callers) -> tuple[Difference, ...]:
    """All that changes, what breaks a consumer first."""

    def hit(change: Change) -> tuple[Key, ...]:
        noticed = set(change.methods)
        return tuple(key for key, calls in called.items() if change.rule and (calls is None or noticed & set(calls)))

    listed = [Difference(change, hit(change)) for change in compatibility.changes(before, after)]
    return tuple(sorted(listed, key=lambda one: not one.breaks))


def offered(service: Service, offer: Offer, called: Callers) -> Iterator[RenderableType]:
    """Each method: what it takes and gives, whether it may be repeated, and who calls it."""
    levels = compatibility.idempotency(offer.contract)
    yield f"{service.key} offers, as read from {offer.source}"
    for name, own in offer.contract.services.items():
        yield Text(f"\n{name}", "bold")
        paths = [(one, f"{name}/{one.name}") for one in own.methods]
        rows = [
            (f"  {one.name}", *_ends(one), REPEATED[levels[path]], _who(service, called, path)) for one, path in paths
        ]
        yield output.table(("  METHOD", "TAKES", "GIVES", "MAY BE REPEATED", "CALLED BY"), rows)


def _ends(method: MethodDescriptor) -> tuple[str, str]:
    """What it takes and what it gives, of its own package without the package."""
    sides = ((method.client_streaming, method.input_type), (method.server_streaming, method.output_type))
    package = f"{method.containing_service.file.package}."
    taken, given = (("stream " if stream else "") + kind.full_name.removeprefix(package) for stream, kind in sides)
    return taken, given


def _who(service: Service, called: Callers, method: str) -> str:
    keys = [key for key, calls in called.items() if calls is None or method in calls]
    return ", ".join(_near(service, key) for key in keys) or "–"


def content(service: Service, offer: Offer, called: Callers) -> Object:
    """The same for programs."""
    levels = compatibility.idempotency(offer.contract)

    def entry(name: str) -> Object:
        one = offer.contract.method(name)
        assert one is not None
        return {
            "method": name,
            "request": one.input_type.full_name,
            "response": one.output_type.full_name,
            "clientStreaming": one.client_streaming,
            "serverStreaming": one.server_streaming,
            "idempotency": levels[name].value,
            "calledBy": [str(key) for key, calls in called.items() if calls is None or name in calls],
        }

    methods = [entry(name) for name in compatibility.methods(offer.contract)]
    told = {"service": str(service.key), "readFrom": offer.source, "digest": published.digest(offer.contract.raw)}
    return {**told, "methods": methods}


def text(service: Service, served: Offer, other: Offer | None, found: tuple[Difference, ...]) -> Iterator[Text]:
    """Each change in words, and whom it concerns."""
    if other is None:
        yield Text(
            f"{service.key}: {served.source} serves, and no other image waits; --against FILE compares it with one"
        )
        return
    yield Text(f"{service.key}: {served.source} serves, compared with {other.source}")
    for one in found:
        yield from _told(service, one)
    broken = sorted({_near(service, key) for one in found for key in one.breaks})
    said = f"It breaks {', '.join(broken)}" if broken else "It breaks no consumer" if found else "They are the same"
    yield Text(said, "bold red" if broken else "green")


def _told(service: Service, one: Difference) -> Iterator[Text]:
    mark, style = ("✗", "red") if one.breaks else ("!", "yellow") if one.change.rule else ("+", "")
    rule = f"  ({one.change.rule})" if one.change.rule else ""
    yield Text(f"  {mark} {one.change.message}{rule}", style)
    if one.change.rule:
        whom = ", ".join(_near(service, key) for key in one.breaks) or "nobody who is declared"
        yield Text(f"      breaks {whom}, through {', '.join(one.change.methods)}", "dim" if not one.breaks else "")


def difference_content(service: Service, served: Offer, other: Offer | None, found: tuple[Difference, ...]) -> Object:
    """The same for programs."""

    def entry(one: Difference) -> Object:
        told = {"element": one.change.element, "rule": one.change.rule or None, "message": one.change.message}
        return {**told, "methods": list(one.change.methods), "breaks": [str(key) for key in one.breaks]}

    compared = {"serves": served.source, "comparedWith": other.source if other else None}
    return {"service": str(service.key), **compared, "changes": [entry(one) for one in found]}


def _near(service: Service, key: Key) -> str:
    return key.name if key.namespace == service.namespace else str(key)
