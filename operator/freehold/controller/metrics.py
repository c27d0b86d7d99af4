"""What the operator counts, for Prometheus, on a port of its own."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Totals:
    """How things stand at one moment. verified: the status of each service's IsolationVerified."""

    services: int
    ready: int
    verified: Counts[str]
    breached: int
    canaries: int
    unenforced: int


class Services(Collector):
    """How many services there are, how many are well and how many are proven, counted when asked."""

    def __init__(self, standing: Callable[[], Totals]) -> None:
        self._standing = standing

    def collect(self) -> Iterable[GaugeMetricFamily]:
        now = self._standing()
        ready = {"True": now.ready, "False": now.services - now.ready}
        yield _family("freehold_services", "Microservices, by whether they are ready", "ready", ready)
        verified = {status: now.verified[status] for status in ("True", "False", "Unknown")}
        yield _family(
            "freehold_isolation_verified", "Microservices, by whether their walls stand", "verified", verified
        )
        said = "Microservices with a door that opened to the operator, a stranger"
        yield GaugeMetricFamily("freehold_isolation_breached", said, now.breached)
        said = "Canaries that were reached, and so tell whether network policies are enforced"
        yield GaugeMetricFamily("freehold_canaries", said, now.canaries)
        yield GaugeMetricFamily(
            "freehold_canaries_unenforced", "Of these, those whose shut door opened", now.unenforced
        )


def _family(name: str, said: str, label: str, values: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, said, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family


def serve(standing: Callable[[], Totals], port: int) -> None:
    """Answer scrapes at /metrics."""
    REGISTRY.register(Services(standing))
    start_http_server(port, registry=REGISTRY)
