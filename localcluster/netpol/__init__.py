"""Enforces NetworkPolicies on one node of the local cluster.

An agent runs in each node's network namespace. The agent watches pods, namespaces and NetworkPolicies, renders the
rules of networking.k8s.io/v1 for the node's pods into one nftables table, and replaces the table in one transaction.
The table stays in force while the agent is not running.

    model      the parts of pods and policies that enforcement reads
    intervals  addresses and ports as sorted, disjoint ranges
    scene      the holder of each address, and the addresses a policy peer selects
    render     pods, namespaces, policies → an nft ruleset; pure
    mirror     a local copy of one resource, updated by a watch
    sandboxes  new pod addresses, from the network plugin, before the API server knows them
    switch     the file that turns enforcement off
    agent      the loop: change → render → nft

Decisions where the API leaves room:

- A refused TCP connection is answered with a reset, other protocols with the ICMP error "administratively prohibited":
  the caller fails immediately. The kernel rate-limits ICMP errors, but not resets.
- Packets from a source address without a known pod are dropped silently: the pod is probably starting, and a
  retransmission will succeed. Packets to an address without a known pod are refused: the pod has usually ended, and
  the caller should try the next address rather than wait.
- Every packet from the client side of a connection is checked, not only the first. A connection whose rule was removed
  is therefore reset at the client's next packet. Replies to an admitted packet always pass.
- A node reaches its own pods regardless of policies (probes); a pod reaches its node's addresses only if its egress
  policies admit those addresses. A pod always reaches itself, also through a Service.
- Packets with forged source addresses are dropped before all other checks.
- While no agent runs, the last table applies: pods created in the meantime stay isolated. Only an address that is
  reassigned to another pod during this time keeps the rules of its previous pod; the plugin assigns addresses in turn,
  so reassignment takes hundreds of pods.
- The cluster is IPv4 only. IPv6 is refused in the node's namespace, except on the loopback interface.
"""
