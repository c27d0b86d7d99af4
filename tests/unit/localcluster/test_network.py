"""The address plan: nothing overlaps, and nothing is taken that this machine uses."""

from __future__ import annotations

import ipaddress
import itertools

from localcluster import network

BLOCK = ipaddress.IPv4Network("198.51.100.0/30")
BLOCKS = list(network.HOST_BLOCKS.subnets(new_prefix=30))


def test_the_plan_of_two_nodes() -> None:
    plan = network.plan("freehold", ("a", "b"), BLOCK)
    assert plan.api_address == "198.51.100.2"
    assert [(node.name, node.address, str(node.pods)) for node in plan.nodes] == [
        ("freehold-a", "192.0.2.2", "10.244.0.0/24"),
        ("freehold-b", "192.0.2.6", "10.244.1.0/24"),
    ]


def test_no_two_networks_of_a_plan_overlap() -> None:
    plan = network.plan("freehold", ("a", "b"), BLOCK)
    blocks = [BLOCK, network.SERVICES]
    blocks += [block for node in plan.nodes for block in (node.link.block, node.pods)]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(blocks, 2))


def test_the_name_server_has_a_service_address() -> None:
    assert ipaddress.ip_address(network.DNS_ADDRESS) in network.SERVICES


def test_pods_are_among_those_of_their_cluster() -> None:
    for block in BLOCKS:
        plan = network.plan("freehold", ("a", "b"), block)
        assert plan.pods.subnet_of(network.PODS)
        assert all(node.pods.subnet_of(plan.pods) and node.cluster_pods == plan.pods for node in plan.nodes)


def test_no_two_clusters_have_pods_or_an_api_server_at_the_same_address() -> None:
    plans = [network.plan("freehold", ("a", "b"), block) for block in BLOCKS]
    assert not any(one.pods.overlaps(other.pods) for one, other in itertools.combinations(plans, 2))
    assert len({plan.api_address for plan in plans}) == len({plan.index for plan in plans}) == len(plans)


def test_a_block_is_free_when_no_route_of_the_machine_meets_it() -> None:
    routes = [{"dst": "default"}, {"dst": "198.51.100.0/30"}, {"dst": "198.51.100.5"}, {"dst": "10.0.0.0/8"}]
    assert network.first_free_block(routes) == ipaddress.IPv4Network("198.51.100.8/30")
    assert network.first_free_block([{"dst": "198.51.0.0/16"}]) is None
