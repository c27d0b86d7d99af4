"""Prometheus metrics of the operator, served on a separate port."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from freehold.controller.database_rollout import Progress
from freehold.controller.liveness import any_address
from freehold.core.model.findings import Findings
from freehold.kube.cache import Cache
from freehold.kube.received import DROPPED

REGISTRY = CollectorRegistry()
DURATION = Histogram(
    "freehold_reconcile_seconds",
    "Duration of a reconciliation in seconds, writes included",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=REGISTRY,
)
FAILURES = Counter("freehold_reconcile_failures", "Reconciliations that failed and are retried", registry=REGISTRY)
REGISTRY.register(DROPPED)
LOOP_DELAY = Histogram(
    "freehold_event_loop_delay_seconds",
    "Delay of the event loop in seconds, measured every 20 ms",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
    registry=REGISTRY,
)
RESTARTS = Counter(
    "freehold_task_restarts",
    "Background tasks that ended or failed and were started again",
    ["task"],
    registry=REGISTRY,
)


@dataclass(frozen=True)
class Totals:
    """The values of the gauges. verified: the number of services by status of condition IsolationVerified. leader:
    whether this operator acts. dns_closed: whether DNS is closed to pods, or to the operator. changes: the number of
    databases that the platform changes, by state."""

    services: int
    ready: int
    verified: Counts[str]
    breached: int
    canaries: int
    unenforced: int
    leader: bool
    dns_closed: bool
    changes: Mapping[str, int]


def count(cache: Cache, findings: Findings, rollout: Progress, *, leader: bool, dns_closed: bool) -> Totals:
    """Return the current values of the gauges."""
    services = cache.local_services
    return Totals(
        len(services),
        len(cache.ready.intersection(services)),
        Counts(cache.verified[key] for key in services),
        len(findings.breaches),
        findings.canaries,
        len(findings.unenforced),
        leader,
        dns_closed,
        {state: len(keys) for state, keys in rollout._asdict().items()},
    )


class Services(Collector):
    """A collector that counts services and canaries at each scrape."""

    def __init__(self, totals: Callable[[], Totals]) -> None:
        self._totals = totals

    def collect(self) -> Iterable[GaugeMetricFamily]:
        totals = self._totals()
        ready = {"True": totals.ready, "False": totals.services - totals.ready}
        yield _family("freehold_services", "Microservices by whether they are Ready", "ready", ready)
        verified = {status: totals.verified[status] for status in ("True", "False", "Unknown")}
        text = "Microservices by the status of condition IsolationVerified"
        yield _family("freehold_isolation_verified", text, "verified", verified)
        text = "Microservices with a port that was open to the operator as an unmanaged pod"
        yield GaugeMetricFamily("freehold_isolation_breached", text, totals.breached)
        yield GaugeMetricFamily("freehold_canaries", "Canaries that the operator reached", totals.canaries)
        text = "Canaries whose closed port was open"
        yield GaugeMetricFamily("freehold_canaries_unenforced", text, totals.unenforced)
        text = "1 while DNS is closed to pods or to the operator, else 0"
        yield GaugeMetricFamily("freehold_dns_closed", text, totals.dns_closed)
        text = "1 for the operator that acts, 0 for one that stands by"
        yield GaugeMetricFamily("freehold_leader", text, totals.leader)
        text = "Databases in a change of the platform: waiting, under_way, and of these stopped for 10 minutes"
        yield _family("freehold_database_changes", text, "state", totals.changes)


def _family(name: str, text: str, label: str, values: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family


def serve(totals: Callable[[], Totals], port: int) -> None:
    """Serve the metrics at /metrics, on IPv4 and IPv6."""
    REGISTRY.register(Services(totals))
    start_http_server(port, any_address(), registry=REGISTRY)
