"""Renders pods, namespaces and policies as one nftables table. Pure: equal input gives equal text.

The table has a chain for each policy and direction, a chain for each combination of policies that selects some pod of
the node, and verdict maps from pod address to combination: a packet costs two look-ups for any number of pods. Ingress
is checked in a separate base chain after egress, so that `accept` in the egress chain is not final.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network

from .intervals import ALL_ADDRESSES, ALL_PORTS, Ranges, contains, merged, network_range
from .model import Direction, Labels, Pod, Policy, Port, Rule, selects
from .scene import Scene, holders

TABLE = "inet freehold-netpol"
OPEN = f"table {TABLE} {{}}\ndelete table {TABLE}\n"
"""A script for `nft -f` that removes the node's table if present; all packets pass."""

# Rules that apply before any policy.
_BEFORE_POLICIES = (
    "ct state invalid drop",
    "ct direction reply accept",
    "ct state related accept",
    "tcp flags rst ct state established accept",
    "ip saddr . ip daddr @itself accept",
)


def render(
    pods: Iterable[Pod],
    namespaces: Mapping[str, Labels],
    policies: Iterable[Policy],
    node: str,
    pod_cidr: str,
    cluster_cidr: str | None = None,
) -> str:
    """Return a script for `nft -f` that replaces the node's table in one transaction.

    `pod_cidr` has the addresses of the node's pods, `cluster_cidr` those of all nodes' pods. Without pods, the script
    refuses all packets from and to `pod_cidr`.
    """
    scene = Scene(holders(pods), namespaces)
    reach = network_range(IPv4Network(pod_cidr))
    own = {a: pod for a, pod in scene.holders.items() if pod.node == node and contains((reach,), a)}
    table = _Table(scene, own, sorted(policies, key=lambda p: (p.namespace, p.name)))
    verdicts = [*table.direction("egress"), *table.direction("ingress")]
    parts = [*table.sets(), *verdicts, *_fixed_chains(pod_cidr, cluster_cidr or pod_cidr)]
    body = "\n".join("  " + line for part in parts for line in part)
    return f"{OPEN}table {TABLE} {{\n{body}\n}}\n"


class _Table:
    """Collects the named sets while the chains that refer to them are rendered."""

    def __init__(self, scene: Scene, own: Mapping[int, Pod], policies: list[Policy]) -> None:
        self._scene = scene
        self._own = own
        self._policies: dict[str, list[Policy]] = {}
        for policy in policies:
            self._policies.setdefault(policy.namespace, []).append(policy)
        self._peers: dict[str, Ranges] = {}

    def sets(self) -> Iterator[list[str]]:
        """Yield the declarations of all sets; complete only after the chains are rendered."""
        yield _set("set", "pods", "ipv4_addr", [_address(a) for a in self._scene.holders])
        yield _set("set", "held", "ipv4_addr", [_address(a) for a in self._own])
        pairs = [f"{_address(a)} . {_address(a)}" for a in self._own]
        yield _set("set", "itself", "ipv4_addr . ipv4_addr", pairs)
        for name, ranges in sorted(self._peers.items()):
            yield _set("set", name, "ipv4_addr; flags interval", [_addresses(r) for r in ranges])

    def direction(self, direction: Direction) -> list[list[str]]:
        """Return the chains of one direction and the verdict map from the node's isolated pods to the chains."""
        chosen = {a: p for a, pod in self._own.items() if (p := self._isolating(pod, direction))}
        combinations = sorted(set(chosen.values()), key=lambda c: [(p.namespace, p.name) for p in c])
        used = sorted({p for c in combinations for p in c}, key=lambda p: (p.namespace, p.name))
        chains = [_chain(_policy_chain(p, direction), list(self._policy(p, direction))) for p in used]
        for combination in combinations:
            jumps = [f"jump {_policy_chain(policy, direction)}" for policy in combination]
            chains.append(_chain(_combination(combination, direction), [*jumps, f"goto refuse-{direction}"]))
        verdicts = [f"{_address(a)} : goto {_combination(c, direction)}" for a, c in chosen.items()]
        return [*chains, _set("map", direction, "ipv4_addr : verdict", verdicts)]

    def _isolating(self, pod: Pod, direction: Direction) -> tuple[Policy, ...]:
        return tuple(
            policy
            for policy in self._policies.get(pod.namespace, ())
            if policy.rules(direction) is not None and selects(policy.pods, pod.labels)
        )

    def _policy(self, policy: Policy, direction: Direction) -> Iterator[str]:
        for rule in policy.rules(direction) or ():
            peers = self._scene.addresses(rule.peers, policy)
            if peers:
                yield from self._rule(rule, peers, policy, direction)

    def _rule(self, rule: Rule, peers: Ranges, policy: Policy, direction: Direction) -> Iterator[str]:
        side = "saddr" if direction == "ingress" else "daddr"
        match = "" if peers == ALL_ADDRESSES else f"ip {side} @{self._peer_set(peers)} "
        if rule.ports is None:
            yield f"{match}accept"
            return
        for protocol in sorted({port.protocol for port in rule.ports}):
            ports = [port for port in rule.ports if port.protocol == protocol]
            numbers = merged(port.numbers for port in ports if port.name is None)
            if numbers:
                yield f"{match}{_ports(protocol, numbers)} accept"
            named = self._resolved(ports, peers, policy, direction)
            if named:
                narrowed = match if direction == "ingress" else ""
                yield f"{narrowed}ip daddr . {protocol.lower()} dport {{ {', '.join(named)} }} accept"

    def _resolved(self, ports: list[Port], peers: Ranges, policy: Policy, direction: Direction) -> list[str]:
        """Return named ports as "address . port" for each possible destination pod with a port of that name."""
        if direction == "ingress":
            targets = {a: p for a, p in self._own.items() if _concerns(policy, p)}
        else:
            targets = {a: p for a, p in self._scene.holders.items() if contains(peers, a)}
        found = {
            (address, number)
            for address, pod in targets.items()
            for port in ports
            if port.name and (number := pod.port(port.name, port.protocol)) is not None
        }
        return [f"{_address(address)} . {number}" for address, number in sorted(found)]

    def _peer_set(self, ranges: Ranges) -> str:
        name = "peers-" + _digest(repr(ranges))
        self._peers[name] = ranges
        return name


def _concerns(policy: Policy, pod: Pod) -> bool:
    return policy.namespace == pod.namespace and selects(policy.pods, pod.labels)


def _fixed_chains(pod_cidr: str, cluster_cidr: str) -> Iterator[list[str]]:
    """Yield the base chains and shared chains. Source addresses are checked first, even for replies."""
    yield _chain("refuse", ["meta l4proto tcp reject with tcp reset", "reject with icmp admin-prohibited"])
    yield _chain("refuse-egress", ["goto refuse"])
    unknown = f"ip saddr {cluster_cidr} ip saddr != @pods drop"
    yield _chain("refuse-ingress", [unknown, "goto refuse"])
    yield _chain("leaving", ["ip saddr != @held drop", *_BEFORE_POLICIES, "ip saddr vmap @egress"])
    yield _chain("arriving", ["ip daddr != @held goto refuse", *_BEFORE_POLICIES, "ip daddr vmap @ingress"])
    forged = 'iif != "lo" fib saddr . iif oif missing drop'
    yield _base("sources", "prerouting priority raw", [f"meta nfproto ipv4 {forged}"])
    no_ipv6 = "meta nfproto ipv6 drop"
    yield _base("egress", "forward priority filter", [no_ipv6, f"ip saddr {pod_cidr} goto leaving"])
    yield _base("ingress", "forward priority filter + 1", [f"ip daddr {pod_cidr} goto arriving"])
    own_node = ['iif "lo" accept', no_ipv6, f"ip saddr {pod_cidr} goto leaving"]
    yield _base("node", "input priority filter", own_node)


def _chain(name: str, rules: list[str]) -> list[str]:
    return [f"chain {name} {{", *("  " + rule for rule in rules), "}"]


def _base(name: str, hook: str, rules: list[str]) -> list[str]:
    return _chain(f"at-{name}", [f"type filter hook {hook}; policy accept;", *rules])


def _set(kind: str, name: str, key: str, elements: list[str]) -> list[str]:
    held = f" elements = {{ {', '.join(elements)} }};" if elements else ""
    return [f"{kind} {name} {{ type {key};{held} }}"]


def _ports(protocol: str, numbers: Ranges) -> str:
    if numbers == ALL_PORTS:
        return f"meta l4proto {protocol.lower()}"
    return f"{protocol.lower()} dport {{ {', '.join(_span(str(a), str(b)) for a, b in numbers)} }}"


def _policy_chain(policy: Policy, direction: Direction) -> str:
    """Return a chain name with the policy's name, shortened to nft's limit of 128 characters."""
    name = f"{policy.namespace}/{policy.name}"
    return f"{direction}/{name if len(name) <= 100 else name[:80] + '.' + _digest(name)}"


def _combination(policies: tuple[Policy, ...], direction: Direction) -> str:
    return f"{direction}-of-" + _digest("\n".join(f"{p.namespace}/{p.name}" for p in policies))


def _addresses(span: tuple[int, int]) -> str:
    return _span(_address(span[0]), _address(span[1]))


def _span(first: str, last: str) -> str:
    return first if first == last else f"{first}-{last}"


def _address(number: int) -> str:
    return str(IPv4Address(number))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
