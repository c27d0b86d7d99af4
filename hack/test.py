"""Runs every kind of test, one after the other, and ends with a plain summary. `make test` calls it.

It uses the standard library alone, for it is what makes the environment that everything else needs.
"""

from __future__ import annotations

import subprocess
import sys
import time

STAGES = (
    ("tools", "the environment and the cluster's tools"),
    ("lint", "style, types, layers, generated files"),
    ("test-fast", "unit, golden, API server"),
    ("test-manifests", "checkov and kube-score over every object Freehold makes"),
    ("test-services", "users, payments, invoices, storefront, each in its own language"),
    ("test-localcluster", "the local cluster itself"),
    ("test-move", "the data of a move, with real servers"),
    ("test-e2e", "stories in a real cluster"),
    ("bench-slice", "the smallest run of every benchmark, for errors and for bounds of writes and memory"),
)


def main() -> int:
    """Every stage runs, whatever became of those before, but for those that cannot without the tools."""
    results: list[tuple[str, str, int, float]] = []
    for target, what in STAGES:
        print(f"\n== make {target}: {what}", flush=True)
        started = time.monotonic()
        status = subprocess.run(["make", "--no-print-directory", target], check=False).returncode
        results.append((target, what, status, time.monotonic() - started))
        if status and target == "tools":
            break
    print("\nSummary")
    for target, what, status, seconds in results:
        print(f"  {'✗' if status else '✓'} {target:<14} {seconds // 60:3.0f}m{seconds % 60:02.0f}s   {what}")
    failed = sum(bool(status) for _, _, status, _ in results)
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
