"""The parts of pods and NetworkPolicies that enforcement reads, parsed when an object arrives."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Any, Literal, TypeAlias

from .intervals import Range, Ranges, network_range, without

log = logging.getLogger(__name__)

Direction: TypeAlias = Literal["ingress", "egress"]
Labels: TypeAlias = Mapping[str, str]


@dataclass(frozen=True)
class Requirement:
    """One condition on a label; a selector matches when all its requirements are met."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def met_by(self, labels: Labels) -> bool:
        """Whether `labels` satisfy the requirement; an absent key satisfies NotIn too."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
        return False


Selector: TypeAlias = tuple[Requirement, ...]


def selects(selector: Selector, labels: Labels) -> bool:
    """Whether `labels` meet every requirement; an empty selector selects everything."""
    return all(requirement.met_by(labels) for requirement in selector)


@dataclass(frozen=True)
class Peer:
    """One entry of `from` or `to`: addresses, or a selection of pods."""

    pods: Selector | None = None
    namespaces: Selector | None = None
    addresses: Ranges | None = None


@dataclass(frozen=True)
class Port:
    """One entry of `ports`: a range of numbers, or a name that each destination pod resolves."""

    protocol: str
    numbers: Range = (0, 65535)
    name: str | None = None


@dataclass(frozen=True)
class Rule:
    """Any of `peers` on any of `ports`; None means no restriction, an empty tuple matches nothing."""

    peers: tuple[Peer, ...] | None
    ports: tuple[Port, ...] | None


@dataclass(frozen=True)
class Policy:
    """A NetworkPolicy; None is a direction without isolation, an empty tuple refuses everything."""

    namespace: str
    name: str
    pods: Selector
    ingress: tuple[Rule, ...] | None
    egress: tuple[Rule, ...] | None

    def rules(self, direction: Direction) -> tuple[Rule, ...] | None:
        """Return the rules of one direction."""
        return self.ingress if direction == "ingress" else self.egress


@dataclass(frozen=True)
class NamedPort:
    """A container port with a name."""

    name: str
    protocol: str
    number: int


@dataclass(frozen=True)
class Pod:
    """A running pod with its own network namespace; `created` is an RFC 3339 time, which sorts as text."""

    namespace: str
    name: str
    uid: str
    node: str
    labels: Labels
    addresses: tuple[int, ...]
    ports: tuple[NamedPort, ...]
    created: str

    def port(self, name: str, protocol: str) -> int | None:
        """Return the number of port `name` in the first container that declares the name, or None."""
        return next((p.number for p in self.ports if p.name == name and p.protocol == protocol), None)


def pod_from(obj: Mapping[str, Any]) -> Pod | None:
    """Parse a pod; return None for pods with host network and pods that have ended."""
    meta, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    if spec.get("hostNetwork") or status.get("phase") in ("Succeeded", "Failed"):
        return None
    # The network plugin identifies a static pod by its configuration hash, not by the uid of its mirror pod.
    uid = (meta.get("annotations") or {}).get("kubernetes.io/config.hash") or meta["uid"]
    return Pod(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=uid,
        node=spec.get("nodeName") or "",
        labels=meta.get("labels") or {},
        addresses=_addresses(status),
        ports=_named_ports(spec),
        created=meta.get("creationTimestamp") or "",
    )


def _addresses(status: Mapping[str, Any]) -> tuple[int, ...]:
    texts = [entry["ip"] for entry in status.get("podIPs") or []] or [status.get("podIP") or ""]
    return tuple(int(IPv4Address(text)) for text in texts if "." in text and ":" not in text)


def _named_ports(spec: Mapping[str, Any]) -> tuple[NamedPort, ...]:
    sidecars = [c for c in spec.get("initContainers") or [] if c.get("restartPolicy") == "Always"]
    return tuple(
        NamedPort(port["name"], port.get("protocol") or "TCP", port["containerPort"])
        for container in [*(spec.get("containers") or []), *sidecars]
        for port in container.get("ports") or []
        if port.get("name")
    )


def policy_from(obj: Mapping[str, Any]) -> Policy:
    """Parse a policy; `policyTypes` has the defaults of the API reference."""
    meta, spec = obj["metadata"], obj.get("spec") or {}
    types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    return Policy(
        namespace=meta["namespace"],
        name=meta["name"],
        pods=_selector(spec.get("podSelector") or {}),
        ingress=_rules(spec.get("ingress"), "from") if "Ingress" in types else None,
        egress=_rules(spec.get("egress"), "to") if "Egress" in types else None,
    )


def _rules(rules: list[dict[str, Any]] | None, peers: str) -> tuple[Rule, ...]:
    return tuple(
        Rule(
            peers=tuple(_peer(peer) for peer in rule[peers]) if rule.get(peers) else None,
            ports=tuple(_port(port) for port in rule["ports"]) if rule.get("ports") else None,
        )
        for rule in rules or []
    )


def _selector(selector: Mapping[str, Any]) -> Selector:
    labels = (Requirement(k, "In", frozenset([v])) for k, v in (selector.get("matchLabels") or {}).items())
    expressions = (
        Requirement(e["key"], e["operator"], frozenset(e.get("values") or []))
        for e in selector.get("matchExpressions") or []
    )
    return (*labels, *expressions)


def _peer(peer: Mapping[str, Any]) -> Peer:
    if peer.get("ipBlock") is not None:
        return Peer(addresses=_block(peer["ipBlock"]))
    pods, namespaces = peer.get("podSelector"), peer.get("namespaceSelector")
    return Peer(
        pods=None if pods is None else _selector(pods),
        namespaces=None if namespaces is None else _selector(namespaces),
    )


def _block(block: Mapping[str, Any]) -> Ranges:
    """Return the block's IPv4 addresses, or none if the block is invalid: an invalid block must not admit packets."""
    if ":" in block["cidr"]:
        return ()
    try:
        whole = network_range(IPv4Network(block["cidr"], strict=False))
        holes = [network_range(IPv4Network(hole, strict=False)) for hole in block.get("except") or []]
    except (AddressValueError, ValueError):
        log.warning("ipBlock %s cannot be read and admits nothing", dict(block))
        return ()
    return without((whole,), holes)


def _port(port: Mapping[str, Any]) -> Port:
    protocol, number = port.get("protocol") or "TCP", port.get("port")
    if number is None:
        return Port(protocol)
    if isinstance(number, str):
        return Port(protocol, name=number)
    return Port(protocol, (number, port.get("endPort") or number))
