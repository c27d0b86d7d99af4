"""Addresses that nobody may name: not as a remote API server, and not as a pod of a remote cluster."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
METADATA = frozenset(map(ip_address, ("100.100.100.200", "168.63.129.16", "fd00:ec2::254")))
"""Metadata services of cloud providers outside the link-local blocks (Alibaba Cloud, Azure, AWS)."""


def parse(text: str) -> Address:
    """Return an address without a zone. Raises ValueError for other text."""
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise ValueError(f"{text!r} has a zone")
        return address.ipv4_mapped or address
    return address


def is_forbidden(address: Address) -> bool:
    """Return whether an address is link-local, multicast, unspecified or a metadata service."""
    return address.is_link_local or address.is_multicast or address.is_unspecified or address in METADATA
