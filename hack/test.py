"""Run every kind of test, one stage after the other, and print a summary. `make test` calls this module.

The module uses the standard library alone, because its first stage makes the environment of all others.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import NamedTuple

from hack.processors import Processors, busy

STAGES = (
    ("tools", "the environment and the cluster's tools"),
    ("lint", "style, types, layers, generated files"),
    ("test-fast", "unit, golden, API server"),
    ("test-manifests", "checkov and kube-score over every object Freehold makes"),
    ("test-services", "users, payments, invoices, storefront, each in its own language"),
    ("test-localcluster", "the local cluster itself"),
    ("test-move", "the data of a move, with real servers"),
    ("test-e2e", "end-to-end tests in a cluster"),
    ("bench-slice", "the smallest run of every benchmark, for errors and for bounds of writes and memory"),
)


class Result(NamedTuple):
    """The result of a stage. use: the machine's use of its processors meanwhile, as text."""

    target: str
    description: str
    status: int
    seconds: float
    use: str

    def __str__(self) -> str:
        minutes, seconds = divmod(round(self.seconds), 60)
        mark = "✗" if self.status else "✓"
        return f"  {mark} {self.target:<17} {minutes:3d}m{seconds:02d}s   {self.use:<28} {self.description}".rstrip()


def main() -> int:
    """Run every stage, also after a failure; only a failure of the tools ends the run, because all others need them."""
    results: list[Result] = []
    for target, description in STAGES:
        print(f"\n== make {target}: {description}", flush=True)
        started, before = time.monotonic(), Processors.now()
        status = subprocess.run(["make", "--no-print-directory", target], check=False).returncode
        use = busy(before, Processors.now())
        results.append(Result(target, description, status, time.monotonic() - started, use))
        if status and target == "tools":
            break
    print("\nSummary")
    for result in results:
        print(result)
    failed = sum(bool(result.status) for result in results)
    print(f"All stages took {sum(result.seconds for result in results) / 60:.0f} minutes")
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
