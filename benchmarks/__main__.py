"""`python -m benchmarks`: measure, print one table, keep the figures as JSON; exits with 1 when a bound is missed."""

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
from .parts import PARTS, REAL, on_real_cluster, on_simulated_cluster, several_at_once

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
        print(f"\n{_keep(outcomes)}")
    return 1 if missed(outcomes) else 0


def _measure(options: argparse.Namespace) -> list[Outcome]:
    extent = _extent(options)
    outcomes = []
    if real := [part for part in REAL if part in options.parts]:
        outcomes += (several_at_once if options.slice else on_real_cluster)(real, extent)
    if "simulated" in options.parts:
        outcomes += on_simulated_cluster(extent)
    return outcomes


def _extent(options: argparse.Namespace) -> Extent:
    """What is asked for, and of all else as much as for figures or for a slice."""
    asked = {name: getattr(options, name) for name in ("rounds", "changes", "services", "idle")}
    given = {name: value for name, value in asked.items() if value is not None}
    return replace(SLICE if options.slice else FULL, **given)


def _keep(outcomes: list[Outcome]) -> Path:
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


def _at_least(least: int, most: int) -> Any:
    def checked(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{value} is not between {least} and {most}")
        return value

    return checked


def _part(text: str) -> str:
    if text not in PARTS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(PARTS)}")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    which = f"which to run, of {', '.join(PARTS)}; left out, all"
    parser.add_argument("parts", nargs="*", type=_part, metavar="PART", help=which)
    parser.add_argument("--slice", action="store_true", help="the smallest run of each part; judges no time")
    parser.add_argument("--rounds", type=_at_least(1, 100), help=f"of each way that is compared, {FULL.rounds}")
    parser.add_argument("--changes", type=_at_least(2, 500), help=f"of consumes, each way, {FULL.changes}")
    parser.add_argument("--services", type=_at_least(1, 500), help=f"on simulated nodes, {FULL.services}")
    seconds = {"metavar": "SECONDS", "type": _at_least(5, 3600)}
    parser.add_argument("--idle", **seconds, help=f"in which all is quiet, {FULL.idle}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
