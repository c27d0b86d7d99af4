"""Calls by ghz from a pod with a declared consumer's labels, on lasting connections like those of real clients.

At a constant rate each call is sent at a fixed time, independent of earlier answers: a slow answer neither delays nor
hides other calls (no coordinated omission).
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from localcluster import paths, tools
from localcluster.progress import Step

from . import pods
from .errors import BenchmarkError
from .kubectl import Kubectl

IMAGE = "localhost/freehold/payments:dev"
PROGRAM = "/tmp/ghz"
FIRST = 50
"""Uncounted calls at the beginning of a round, which include the time to connect."""
CONSTANT = ("--async", "--concurrency=1", "--lb-strategy=round_robin")
PLAINTEXT = ("--insecure",)
HEALTH = ("--call=grpc.health.v1.Health/Check",)
"""The health check of gRPC, which needs no database and is answered by every service."""
EXEC_SECONDS = 60
ENOUGH = 0.99


class Latency(NamedTuple):
    """Percentiles of the latencies of a round, in milliseconds."""

    p50: float
    p99: float


@dataclass(frozen=True)
class Caller:
    """A pod with ghz and the labels of a service. seconds: length of each round of calls."""

    kubectl: Kubectl
    namespace: str
    pod: str
    seconds: int

    def constant(self, target: str, rate: int, security: Sequence[str] = PLAINTEXT) -> Latency:
        """Run a round of health checks. rate: calls per second. Raises BenchmarkError when a call failed."""
        total = rate * self.seconds + FIRST
        load = (*CONSTANT, f"--rps={rate}", f"--total={total}", f"--skipFirst={FIRST}")
        return read(self._report(*load, *security, *HEALTH, target), total - FIRST)

    def throughput(self, target: str, at_once: int, call: Sequence[str]) -> float:
        """Return the successful calls per second. at_once: number of concurrent calls.

        Servers close each connection after some seconds. Clients then repeat a call without a connection, but ghz does
        not: failed calls are not counted. Raises BenchmarkError when more than 1 % of the calls fail.
        """
        load = (f"--concurrency={at_once}", f"--duration={self.seconds}s", "--duration-stop=wait")
        report = self._report(*load, *PLAINTEXT, *call, target)
        codes = report["statusCodeDistribution"]
        if codes.get("OK", 0) < ENOUGH * sum(codes.values()):
            raise BenchmarkError(f"too many calls failed: {codes}; at least {ENOUGH:.0%} must succeed")
        return float(codes["OK"] / (report["total"] / 1e9))

    def copy(self, file: Path, target: str) -> None:
        """Copy a local file into the pod."""
        self.kubectl("cp", "-n", self.namespace, file, f"{self.pod}:{target}")

    def _report(self, *arguments: str) -> dict[str, Any]:
        command = ("exec", "-n", self.namespace, self.pod, "--", PROGRAM, "--format=json", *arguments)
        report: dict[str, Any] = json.loads(self.kubectl(*command, timeout=EXEC_SECONDS))
        return report


def start_caller(kubectl: Kubectl, namespace: str, service: str, seconds: int, step: Step, **mounted: str) -> Caller:
    """Start a pod with ghz and the labels of a service.

    seconds: length of each round of calls. mounted: folder below the root → Secret.
    """
    tools.ensure(("ghz",), step)
    pods.start(kubectl, namespace, service, IMAGE, ["sleep", "infinity"], **mounted)
    caller = Caller(kubectl, namespace, service, seconds)
    caller.copy((paths.tools_bin() / "ghz").resolve(), PROGRAM)
    return caller


def read(report: dict[str, Any], calls: int) -> Latency:
    """Return the latencies in ghz's JSON report, where times are in nanoseconds.

    calls: expected number of calls. Up to 1 % may end with Unavailable: servers close each connection after some
    seconds, and ghz, unlike clients, does not repeat a call without a connection. Raises BenchmarkError otherwise.
    """
    codes = report["statusCodeDistribution"]
    if codes.get("OK", 0) < ENOUGH * calls or codes.get("OK", 0) + codes.get("Unavailable", 0) != calls:
        raise BenchmarkError(f"not all of {calls} calls succeeded: {codes}")
    latency = {each["percentage"]: each["latency"] / 1e6 for each in report["latencyDistribution"]}
    return Latency(latency[50], latency[99])


def spread(rounds: Sequence[Latency]) -> str:
    """Return a note with the range of the 99th percentiles and the median call."""
    slow = [each.p99 for each in rounds]
    median = statistics.median(each.p50 for each in rounds)
    return f"{min(slow):.2f} to {max(slow):.2f} ms in {len(rounds)} rounds; median call {median:.2f} ms"
