"""Evaluates a packet against a rendered table without a kernel; implements the subset of nft that the renderer uses.

Unknown syntax is an error, so that a new kind of rule cannot go untested. The kernel test compares this model with the
kernel.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address, ip_network


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection, or a reply; ICMP has no port."""

    source: str
    target: str
    protocol: str
    port: int | None = None
    reply: bool = False


class Ruleset:
    """The chains, sets and maps of one `table` block."""

    def __init__(self, text: str) -> None:
        self.chains: dict[str, list[str]] = {}
        self.sets: dict[str, list[str]] = {}
        self.maps: dict[str, dict[str, str]] = {}
        chain: list[str] = []
        for line in (line.strip() for line in text.splitlines()[3:-1]):
            if declared := re.fullmatch(r"(set|map) (\S+) \{ type [^;]+;(?: flags interval;)?(.*) \}", line):
                self._declare(*declared.groups())
            elif opened := re.fullmatch(r"chain (\S+) \{", line):
                chain = self.chains[opened[1]] = []
            elif line != "}":
                chain.append(line)

    def _declare(self, kind: str, name: str, rest: str) -> None:
        found = re.fullmatch(r" elements = \{ (.*) \};", rest)
        elements = found[1].split(", ") if found else []
        if kind == "set":
            self.sets[name] = elements
        else:
            self.maps[name] = dict(element.split(" : ") for element in elements)

    def verdict(self, packet: Packet, hook: str) -> str:
        """Return accept, drop or reject. All base chains of the hook must accept, in order of priority."""
        bases = [
            name for name, rules in self.chains.items() if rules and rules[0].startswith(f"type filter hook {hook}")
        ]
        assert bases, f"no chain at {hook}"
        for base in bases:
            found = self._walk(self.chains[base][1:], packet) or "accept"
            if found != "accept":
                return found
        return "accept"

    def _walk(self, rules: list[str], packet: Packet) -> str | None:
        for rule in rules:
            kind, _, target = (self._rule(rule, packet) or "").partition(" ")
            if kind in ("jump", "goto"):
                found = self._walk(self.chains[target], packet)
                if found or kind == "goto":
                    return found
            elif kind:
                return kind
        return None

    def _rule(self, rule: str, packet: Packet) -> str | None:
        """Return the verdict of a rule, or None if the rule does not match."""
        while rule:
            if re.fullmatch(r"(accept|drop|reject with .*|(jump|goto) \S+)", rule):
                return rule
            if mapped := re.fullmatch(r"ip (saddr|daddr) vmap @(\S+)", rule):
                address = packet.source if mapped[1] == "saddr" else packet.target
                return self.maps[mapped[2]].get(address)
            matched, rule = self._match(rule, packet)
            if not matched:
                return None
        raise AssertionError("a rule without a verdict")

    def _match(self, rule: str, packet: Packet) -> tuple[bool, str]:
        protocol = packet.protocol.lower()
        if m := re.match(r"ip saddr \. ip daddr @(\S+) ", rule):
            return f"{packet.source} . {packet.target}" in self.sets[m[1]], rule[m.end() :]
        if m := re.match(r"ip daddr \. (\w+) dport \{ ([^}]*) \} ", rule):
            return m[1] == protocol and f"{packet.target} . {packet.port}" in m[2].split(", "), rule[m.end() :]
        if m := re.match(r"ip (s|d)addr (!= )?(@\S+|[\d.]+/\d+) ", rule):
            address = packet.source if m[1] == "s" else packet.target
            return self._in(address, m[3]) != bool(m[2]), rule[m.end() :]
        if m := re.match(r"(tcp|udp|sctp) dport \{ ([^}]*) \} ", rule):
            return m[1] == protocol and _in_ports(packet.port, m[2]), rule[m.end() :]
        if m := re.match(r"meta l4proto (\w+) ", rule):
            return m[1] == protocol, rule[m.end() :]
        if m := re.match(r"ct direction reply ", rule):
            return packet.reply, rule[m.end() :]
        never = r"(ct state (invalid|related)|tcp flags rst ct state established|iif \"lo\"|meta nfproto ipv6) "
        if m := re.match(never, rule):
            return False, rule[m.end() :]
        raise AssertionError(f"this model does not know: {rule}")

    def _in(self, address: str, group: str) -> bool:
        spans = self.sets[group[1:]] if group.startswith("@") else [group]
        return any(_covers(span, address) for span in spans)


def _covers(span: str, address: str) -> bool:
    if "/" in span:
        return ip_address(address) in ip_network(span)
    first, _, last = span.partition("-")
    return ip_address(first) <= ip_address(address) <= ip_address(last or first)


def _in_ports(port: int | None, spans: str) -> bool:
    pairs = (span.partition("-") for span in spans.split(", "))
    return port is not None and any(int(first) <= port <= int(last or first) for first, _, last in pairs)
