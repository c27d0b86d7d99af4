"""Run every kind of test in stages, and print a summary. `make test` calls this module.

The lint uses one processor, and the tests of the local cluster and of moves wait most of the time, so that these stages
run beside each other. All others follow one by one.

The module uses the standard library alone, because its first stage makes the environment of all others.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TextIO

from hack.processors import Processors, busy

STAGES = {
    "tools": "the environment and the cluster's tools",
    "lint": "style, types, layers, generated files",
    "test-localcluster": "the local cluster itself",
    "test-move": "the data of a move, with real servers",
    "test-fast": "unit, golden, API server",
    "test-manifests": "checkov and kube-score over every object Freehold makes",
    "test-services": "users, payments, invoices, storefront, each in its own language",
    "test-e2e": "end-to-end tests in a cluster",
    "bench-slice": "the smallest run of every benchmark, for errors and for bounds of writes and memory",
}
BACKGROUND = "lint"
"""The stage that runs beside those in BESIDE. Its output is printed once all of them have ended."""
BESIDE = ("test-localcluster", "test-move")


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
    started = time.monotonic()
    results = [_run("tools")]
    if not results[0].status:
        results += _run_beside()
        results += [_run(target) for target in STAGES if target not in ("tools", BACKGROUND, *BESIDE)]
    print("\nSummary")
    for result in results:
        print(result)
    failed = sum(bool(result.status) for result in results)
    print(f"All stages took {(time.monotonic() - started) / 60:.0f} minutes")
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _run_beside() -> list[Result]:
    """Run the stage in the background and the stages beside it; return the results of all."""
    with tempfile.TemporaryFile("w+") as output, ThreadPoolExecutor(1) as executor:
        background = executor.submit(_run, BACKGROUND, output)
        others = [_run(target) for target in BESIDE]
        results = [background.result(), *others]
        output.seek(0)
        print(output.read(), flush=True)
    return results


def _run(target: str, output: TextIO = sys.stdout) -> Result:
    """Run a stage. output: a file for what the stage prints."""
    description = STAGES[target]
    print(f"\n== make {target}: {description}", file=output, flush=True)
    started, before = time.monotonic(), Processors.now()
    make = ["make", "--no-print-directory", target]
    status = subprocess.run(make, stdout=output, stderr=subprocess.STDOUT, check=False).returncode
    use = busy(before, Processors.now())
    return Result(target, description, status, time.monotonic() - started, use)


if __name__ == "__main__":
    sys.exit(main())
