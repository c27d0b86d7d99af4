"""Enforces NetworkPolicies on one node of the local cluster.

An agent runs in each node's network namespace. It watches pods, namespaces and NetworkPolicies, renders what
networking.k8s.io/v1 says about this node's pods into one nftables table, and replaces that table in one transaction.
The table stays in force while the agent is away.

    model      the parts of pods and policies that enforcement reads
    intervals  addresses and ports as sorted, disjoint ranges
    scene      who holds which address, and which addresses a peer means
    render     pods, namespaces, policies → an nft ruleset; pure
    mirror     a local copy of one resource, kept current by a watch
    sandboxes  addresses that the network plugin has just handed out, known before the API server knows them
    switch     whether anything is enforced at all
    agent      the loop: something changed → render → nft

What it decides where the API leaves room:

- A refused TCP connection is answered with a reset, anything else with an ICMP error "administratively prohibited": the
  caller sees at once that it was refused. Resets are not rate-limited by the kernel, ICMP errors are.
- A source address that nobody is known to hold yet is dropped silently, for its owner is just starting and its
  retransmission will find the door open. A destination that nobody holds is refused: its owner is usually gone, and
  the caller should try the next address rather than wait.
- Every packet of the side that opened a connection is judged, not only the first one. A connection whose rule was
  removed is therefore reset at its opener's next packet. Replies to an admitted packet always pass.
- A node reaches its own pods whatever the policies say (probes); a pod reaches its node's addresses only if its egress
  policies admit those addresses. A pod always reaches itself, also through a Service.
- Forged source addresses are dropped before anything else looks at them.
- While no agent runs, the last table holds: pods made in the meantime stay cut off. Only an address that is given to
  another pod just then keeps its former holder's rules; the plugin hands addresses out in turn, so that takes hundreds.
- The cluster is IPv4 only. IPv6 is refused in the node's namespace, except on the loopback interface.
"""
