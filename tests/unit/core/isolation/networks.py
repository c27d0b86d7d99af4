"""Random services of two namespaces, and the network of their pods with the planned network policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from freehold.core import isolation
from freehold.core.isolation import reachability
from freehold.core.model.case import Case
from freehold.core.model.resources import Key, Object, Service
from freehold.core.objects import meta
from freehold.core.peers import aliases, consent
from freehold.core.peers.gateways import Proxies
from freehold.core.peers.ports import Part, ServicePort
from hypothesis import strategies as st

from tests.unit.core.worlds import DATABASE, observed, service
from tests.unit.netpol import worlds as network
from tests.unit.netpol.oracle import Connection, World, permitted

HOMES = ["shop", "accounts"]
NAMES = ["users", "payments", "users-migrations"]
Labels = Mapping[str, Mapping[str, str]]
selectors = st.fixed_dictionaries(
    {},
    optional={
        "matchLabels": st.dictionaries(st.just("team"), st.sampled_from(["sales", "ads"]), min_size=1),
        "matchExpressions": st.lists(
            st.fixed_dictionaries(
                {"key": st.sampled_from(["team", meta.NAMESPACE_NAME]), "operator": st.sampled_from(["In", "NotIn"])}
                | {"values": st.lists(st.sampled_from(["sales", "ads", *HOMES]), min_size=1)}
            ),
            max_size=1,
        ),
    },
)
consumers = st.sampled_from([{"from": "SameNamespace"}, {"from": "All"}]) | st.fixed_dictionaries(
    {"from": st.just("Selector"), "selector": selectors}
)
GATEWAYS = [{"name": "public"}, {"name": "public", "namespace": "gateways"}]
ENVOY: Object = {"namespace": "envoy", "podLabels": {"app": "envoy", "owner": "public"}}
SHARED: Object = {"namespace": "envoy", "podLabels": {"app": "envoy"}}
OWN: Object = {"namespace": "shop", "podLabels": {"app.kubernetes.io/name": "payments"}}
"""Labels that pods of a service also have; consent alone admits such pods."""
exposed = st.none() | st.fixed_dictionaries(
    {"gateway": st.sampled_from(GATEWAYS), "hostnames": st.just(["users.example.com"])},
    optional={"proxies": st.sampled_from([ENVOY, SHARED, OWN])},
)
grpcs = st.fixed_dictionaries(
    {"port": st.sampled_from([5432, 50051]), "consumers": consumers}, optional={"expose": exposed}
)
specs = st.fixed_dictionaries(
    {
        "grpc": st.none() | grpcs,
        "http": st.none() | st.fixed_dictionaries({"port": st.sampled_from([8080, 50052])}),
        "database": st.none() | st.sampled_from([DATABASE, {**DATABASE, "migrations": None}]),
        "isolation": st.sampled_from(["Enforced", "Enforced", "Audit"]),
        "consumes": st.lists(
            st.fixed_dictionaries({"name": st.sampled_from(NAMES), "namespace": st.none() | st.sampled_from(HOMES)}),
            max_size=3,
            unique_by=lambda consumed: str(consumed["name"]),
        ),
        "egress": st.lists(
            st.fixed_dictionaries(
                {"cidr": st.sampled_from(["0.0.0.0/0", "10.244.1.0/24", "203.0.113.0/24", "2001:db8::/32"])}
                | {"ports": st.sampled_from([[443], [8080, 50051, 5432]]), "protocol": st.sampled_from(["TCP", "UDP"])}
            ),
            max_size=1,
        ),
    }
)


def moves(key: Key, keys: Sequence[Key]) -> st.SearchStrategy[Object]:
    """Draw spec.placement: for a name in both namespaces, either or both sides declare a move from shop."""
    both = all(Key(home, key.name) in keys for home in HOMES)
    move = {"namespace": "accounts"} if key.namespace == "shop" else {"from": "shop"}
    return st.sampled_from([move, move, {}]) if both else st.just({})


@st.composite
def shops(draw: st.DrawFn) -> tuple[dict[Key, Service], Labels]:
    """Draw services of two namespaces that often consume each other, and the namespaces' labels."""
    keys = draw(st.lists(st.builds(Key, st.sampled_from(HOMES), st.sampled_from(NAMES)), min_size=2, unique=True))
    services = {key: service(key.name, key.namespace, **draw(specs), placement=draw(moves(key, keys))) for key in keys}
    teams = {home: draw(st.dictionaries(st.just("team"), st.sampled_from(["sales", "ads"]))) for home in HOMES}
    return services, {home: {meta.NAMESPACE_NAME: home, **team} for home, team in teams.items()}


class Network:
    """The pods of all services, an unmanaged pod, Gateway proxies, and the planned network policies."""

    def __init__(self, services: Mapping[Key, Service], labels: Labels) -> None:
        self.addresses: dict[tuple[Key, str], str] = {}
        self.world = World(nodes=network.NODES)
        named = {home: labels.get(home, {meta.NAMESPACE_NAME: home}) for home in [*HOMES, "gateways", "envoy"]}
        self.world.namespaces = [network.namespace(home, **own) for home, own in named.items()]
        peers = {key: consent.as_peer(one) for key, one in services.items()}
        replaced = {
            old.key: one.key for one in services.values() for old in aliases.replaced_services(one, services)[:1]
        }
        for key, one in services.items():
            for component in (meta.SERVICE, meta.DATABASE):
                self._run(key, component, meta.pod_labels(one, component))
            others = {other: peer for other, peer in peers.items() if other != key}
            plan = isolation.plan(Case(one, observed(peers=others, aliases=replaced, namespace_labels=labels)))
            self.world.policies.extend(plan.objects)
        self._run(Key("shop", "stranger"), meta.SERVICE, {"app": "stranger"})
        for number, one in enumerate(reachability.proxies(services.values())):
            self._run(proxy(number, one), meta.SERVICE, dict(one.labels))

    def _run(self, key: Key, component: str, labels: dict[str, str]) -> None:
        number = len(self.world.pods)
        address = f"10.244.{number % 2}.{number + 2}"
        self.addresses[key, component] = address
        self.world.pods.append(network.pod(f"{key}-{component}", address, labels))

    def permits(self, source: Key, port: ServicePort) -> bool:
        """Return whether the network policies permit a connection."""
        component = meta.DATABASE if port.part is Part.DATABASE else meta.SERVICE
        sender, receiver = self.addresses[source, meta.SERVICE], self.addresses[port.service, component]
        return permitted(self.world, Connection(sender, receiver, "TCP", port.port))


def proxy(number: int, proxies: Proxies) -> Key:
    """Return the pod that represents the proxies of a Gateway."""
    return Key(proxies.namespace, f"proxy-{number}")


def pod_of(source: reachability.Source, all_proxies: Sequence[Proxies]) -> Key:
    """Return the pod that represents a source."""
    if isinstance(source, Proxies):
        return proxy(all_proxies.index(source), source)
    return source.key if source else Key("shop", "stranger")
