"""Calls made by ghz from a pod that stands where a declared consumer stands, on connections that last, as clients keep.

At a constant rate each call is sent when its time has come and not when the one before is answered, so that a slow
answer delays no other call and hides none.
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
"""Calls at the beginning of a round that do not count: they include the time to connect."""
CONSTANT = ("--async", "--concurrency=1", "--lb-strategy=round_robin")
PLAINTEXT = ("--insecure",)
HEALTH = ("--call=grpc.health.v1.Health/Check",)
"""Needs no database, and every service answers it."""
EXEC_SECONDS = 60
ENOUGH = 0.99


class Latency(NamedTuple):
    """Of one round, in milliseconds."""

    p50: float
    p99: float


@dataclass(frozen=True)
class Caller:
    """A pod with ghz in the place of a service. seconds: the length of each round of calls."""

    kubectl: Kubectl
    namespace: str
    pod: str
    seconds: int

    def constant(self, target: str, rate: int, means: Sequence[str] = PLAINTEXT) -> Latency:
        """One round of so many calls a second for health. Raises BenchmarkError when one failed."""
        total = rate * self.seconds + FIRST
        load = (*CONSTANT, f"--rps={rate}", f"--total={total}", f"--skipFirst={FIRST}")
        return read(self._report(*load, *means, *HEALTH, target), total - FIRST)

    def most(self, target: str, at_once: int, call: Sequence[str]) -> float:
        """Calls a second that went well when so many are under way all the time.

        Servers end each connection after seconds, and ghz does not repeat a call that then found none, as clients do:
        such calls do not count. Raises BenchmarkError when they are more than one in a hundred.
        """
        load = (f"--concurrency={at_once}", f"--duration={self.seconds}s", "--duration-stop=wait")
        report = self._report(*load, *PLAINTEXT, *call, target)
        codes = report["statusCodeDistribution"]
        if codes.get("OK", 0) < ENOUGH * sum(codes.values()):
            raise BenchmarkError(f"too few calls went well: {codes}")
        return float(codes["OK"] / (report["total"] / 1e9))

    def copy(self, file: Path, target: str) -> None:
        """Copy a file of this machine into the pod."""
        self.kubectl("cp", "-n", self.namespace, file, f"{self.pod}:{target}")

    def _report(self, *arguments: str) -> dict[str, Any]:
        command = ("exec", "-n", self.namespace, self.pod, "--", PROGRAM, "--format=json", *arguments)
        report: dict[str, Any] = json.loads(self.kubectl(*command, timeout=EXEC_SECONDS))
        return report


def stand(kubectl: Kubectl, namespace: str, service: str, seconds: int, step: Step, **mounted: str) -> Caller:
    """Start a pod with ghz in the place of a service.

    seconds: the length of each round of calls. mounted: folder below the root → Secret.
    """
    tools.ensure(("ghz",), step)
    pods.stand(kubectl, namespace, service, IMAGE, ["sleep", "infinity"], **mounted)
    caller = Caller(kubectl, namespace, service, seconds)
    caller.copy((paths.tools_bin() / "ghz").resolve(), PROGRAM)
    return caller


def read(report: dict[str, Any], calls: int) -> Latency:
    """From ghz's report in JSON, which gives nanoseconds. Raises BenchmarkError unless so many calls went well.

    One in a hundred may have found its connection ended: servers end each after seconds, and ghz does not repeat such a
    call, as clients do. It counts for nothing.
    """
    codes = report["statusCodeDistribution"]
    if codes.get("OK", 0) < ENOUGH * calls or codes.get("OK", 0) + codes.get("Unavailable", 0) != calls:
        raise BenchmarkError(f"not all of {calls} calls went well: {codes}")
    found = {each["percentage"]: each["latency"] / 1e6 for each in report["latencyDistribution"]}
    return Latency(found[50], found[99])


def spread(rounds: Sequence[Latency]) -> str:
    """How far the rounds lie apart."""
    slow = [each.p99 for each in rounds]
    middle = statistics.median(each.p50 for each in rounds)
    return f"{min(slow):.2f} to {max(slow):.2f} ms in {len(rounds)} rounds; median call {middle:.2f} ms"
