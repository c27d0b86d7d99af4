"""Calls made by ghz from a pod that stands where a declared consumer stands, on connections that last, as clients keep.

At a constant rate each call is sent when its time has come and not when the one before is answered, so that a slow
answer delays no other call and hides none.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

from localcluster import paths, tools
from localcluster.progress import Step

from . import pods
from .errors import BenchmarkError
from .kubectl import Kubectl

IMAGE = "localhost/freehold/payments:dev"
PROGRAM = "/tmp/ghz"
ROUND_SECONDS, FIRST = 10, 50
"""Seconds a round, and calls at a round's beginning that do not count: connecting is in them."""
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


def stand(kubectl: Kubectl, namespace: str, caller: str, step: Step, **mounted: str) -> None:
    """A pod with ghz in a service's place. mounted: Secrets by the folder below the root in which it finds them."""
    tools.ensure(("ghz",), step)
    pods.stand(kubectl, namespace, caller, IMAGE, ["sleep", "infinity"], **mounted)
    kubectl("cp", "-n", namespace, (paths.tools_bin() / "ghz").resolve(), f"{caller}:{PROGRAM}")


def constant(
    kubectl: Kubectl, namespace: str, caller: str, target: str, rate: int, means: Sequence[str] = PLAINTEXT
) -> Latency:
    """One round of so many calls a second for health. Raises BenchmarkError when one failed."""
    total = rate * ROUND_SECONDS + FIRST
    load = (*CONSTANT, f"--rps={rate}", f"--total={total}", f"--skipFirst={FIRST}")
    return read(_report(kubectl, namespace, caller, *load, *means, *HEALTH, target), total - FIRST)


def most(kubectl: Kubectl, namespace: str, caller: str, target: str, at_once: int, call: Sequence[str]) -> float:
    """Calls a second that went well when so many are under way all the time.

    Servers end each connection after seconds, and ghz does not repeat a call that then found none, as clients do: such
    calls do not count. Raises BenchmarkError when they are more than one in a hundred.
    """
    load = (f"--concurrency={at_once}", f"--duration={ROUND_SECONDS}s", "--duration-stop=wait")
    report = _report(kubectl, namespace, caller, *load, *PLAINTEXT, *call, target)
    codes = report["statusCodeDistribution"]
    if codes.get("OK", 0) < ENOUGH * sum(codes.values()):
        raise BenchmarkError(f"too few calls went well: {codes}")
    return float(codes["OK"] / (report["total"] / 1e9))


def _report(kubectl: Kubectl, namespace: str, caller: str, *arguments: str) -> dict[str, Any]:
    said = kubectl("exec", "-n", namespace, caller, "--", PROGRAM, "--format=json", *arguments, timeout=EXEC_SECONDS)
    report: dict[str, Any] = json.loads(said)
    return report


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
