"""What the operator counts, for Prometheus, on a port of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

REGISTRY = CollectorRegistry()
DURATION = Histogram(
    "freehold_reconcile_seconds",
    "How long a reconciliation took, writes included",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=REGISTRY,
)
FAILURES = Counter("freehold_reconcile_failures", "Reconciliations that failed and are tried again", registry=REGISTRY)


class Services(Collector):
    """How many services there are and how many of them are ready, counted when asked."""

    def __init__(self, count: Callable[[], tuple[int, int]]) -> None:
        self._count = count

    def collect(self) -> Iterable[GaugeMetricFamily]:
        known, ready = self._count()
        family = GaugeMetricFamily("freehold_services", "Microservices, by whether they are ready", labels=["ready"])
        family.add_metric(["True"], ready)
        family.add_metric(["False"], known - ready)
        yield family


def serve(count: Callable[[], tuple[int, int]], port: int) -> None:
    """Answer scrapes at /metrics."""
    REGISTRY.register(Services(count))
    start_http_server(port, registry=REGISTRY)
