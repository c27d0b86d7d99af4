"""Tests of the address plan: networks do not overlap, and addresses in use are avoided."""

from __future__ import annotations

import ipaddress
import itertools

from localcluster import network

BLOCK = ipaddress.IPv4Network("198.51.100.0/30")
BLOCKS = list(network.HOST_BLOCKS.subnets(new_prefix=30))


def test_plan_two_nodes() -> None:
    """The addresses of a cluster with two nodes."""
    plan = network.plan("freehold", ("a", "b"), BLOCK)
    assert plan.api_address == "198.51.100.2"
    assert [(node.name, node.address, str(node.pods)) for node in plan.nodes] == [
        ("freehold-a", "192.0.2.2", "10.244.0.0/24"),
        ("freehold-b", "192.0.2.6", "10.244.1.0/24"),
    ]


def test_plan_networks_disjoint() -> None:
    """No two networks of a plan overlap."""
    plan = network.plan("freehold", ("a", "b"), BLOCK)
    blocks = [BLOCK, network.SERVICES]
    blocks += [block for node in plan.nodes for block in (node.link.block, node.pods)]
    assert not any(block.overlaps(other) for block, other in itertools.combinations(blocks, 2))


def test_dns_address_in_services() -> None:
    """The DNS address is a Service address."""
    assert ipaddress.ip_address(network.DNS_ADDRESS) in network.SERVICES


def test_plan_pods_in_cluster_range() -> None:
    """The pods of a node are in the range of their cluster."""
    for block in BLOCKS:
        plan = network.plan("freehold", ("a", "b"), block)
        assert plan.pods.subnet_of(network.PODS)
        assert all(node.pods.subnet_of(plan.pods) and node.cluster_pods == plan.pods for node in plan.nodes)


def test_plans_of_clusters_disjoint() -> None:
    """No two clusters share pod addresses or an API server address."""
    plans = [network.plan("freehold", ("a", "b"), block) for block in BLOCKS]
    assert not any(plan.pods.overlaps(other.pods) for plan, other in itertools.combinations(plans, 2))
    assert len({plan.api_address for plan in plans}) == len({plan.index for plan in plans}) == len(plans)


def test_first_free_block() -> None:
    """A block is free if it overlaps no route of the machine."""
    routes = [{"dst": "default"}, {"dst": "198.51.100.0/30"}, {"dst": "198.51.100.5"}, {"dst": "10.0.0.0/8"}]
    assert network.first_free_block(routes) == ipaddress.IPv4Network("198.51.100.8/30")
    assert network.first_free_block([{"dst": "198.51.0.0/16"}]) is None
