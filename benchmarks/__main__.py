"""`python -m benchmarks`: measure, print a table, write the figures as JSON; exit code 1 when a bound is missed."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hack.stage import StageError
from localcluster import tools
from localcluster.errors import LocalClusterError

from .errors import BenchmarkError
from .extent import FULL, SLICE, Extent
from .figures import Outcome, as_json, missed, table
from .parts import PARTS, REAL, concurrently, on_real_cluster, on_simulated_cluster

RESULTS = Path(__file__).with_name("results")


def main() -> int:
    options = _parser().parse_args()
    try:
        options.parts = options.parts or PARTS
        outcomes = _measure(options)
    except (BenchmarkError, LocalClusterError, StageError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    print(f"\n{table(outcomes)}")
    if not options.slice:
        print(f"\n{_write_results(outcomes)}")
    return 1 if missed(outcomes) else 0


def _measure(options: argparse.Namespace) -> list[Outcome]:
    extent = _extent(options)
    outcomes = []
    if real := [part for part in REAL if part in options.parts]:
        outcomes += (concurrently if options.slice else on_real_cluster)(real, extent)
    if "simulated" in options.parts:
        outcomes += on_simulated_cluster(extent)
    return outcomes


def _extent(options: argparse.Namespace) -> Extent:
    """Return the amounts given as options, and the defaults of a full run or a slice for the others."""
    options_given = {name: getattr(options, name) for name in ("rounds", "changes", "services", "idle")}
    given = {name: value for name, value in options_given.items() if value is not None}
    return replace(SLICE if options.slice else FULL, **given)


def _write_results(outcomes: list[Outcome]) -> Path:
    now = datetime.now(UTC)
    target = RESULTS / f"{now:%Y%m%dT%H%M%SZ}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({"machine": _machine(now), "outcomes": as_json(outcomes)}, indent=1))
    return target.relative_to(Path.cwd()) if target.is_relative_to(Path.cwd()) else target


def _machine(now: datetime) -> dict[str, Any]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "at": now.isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "processors": os.cpu_count(),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "kubernetes": tools.kubernetes_version(),
    }


def _between(least: int, most: int) -> Any:
    def checked(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{value} is not between {least} and {most}")
        return value

    return checked


def _part(text: str) -> str:
    if text not in PARTS:
        raise argparse.ArgumentTypeError(f"unknown part {text!r}; choose from {', '.join(PARTS)}")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    names = f"parts to run: {', '.join(PARTS)}; default: all"
    parser.add_argument("parts", nargs="*", type=_part, metavar="PART", help=names)
    parser.add_argument("--slice", action="store_true", help="the smallest run of each part, without bounds on time")
    parser.add_argument("--rounds", type=_between(1, 100), help=f"rounds of each variant, default {FULL.rounds}")
    parser.add_argument("--changes", type=_between(2, 500), help=f"changes of consumes, default {FULL.changes}")
    parser.add_argument("--services", type=_between(1, 500), help=f"simulated services, default {FULL.services}")
    seconds = {"metavar": "SECONDS", "type": _between(5, 3600)}
    parser.add_argument("--idle", **seconds, help=f"length of the idle measurement, default {FULL.idle}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
