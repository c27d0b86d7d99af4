"""`python -m benchmarks`: measure, print one table, keep the figures as JSON; exits with 1 when a bound is missed."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from hack.stage import StageError, choose, install, introduce, prepare
from localcluster import tools
from localcluster.errors import LocalClusterError
from localcluster.progress import Step, step

from . import endpoint, languages, memory, move, namespaces, ready, tls, walls, writes
from .errors import BenchmarkError
from .figures import Outcome, as_json, missed, table
from .kubectl import Kubectl
from .rig import simulated_cluster

RESULTS = Path(__file__).with_name("results")
REAL = ("ready", "walls", "tls", "endpoint", "languages", "move")
PARTS = (*REAL, "simulated")


def main() -> int:
    options = _parser().parse_args()
    try:
        options.parts = options.parts or PARTS
        outcomes = _measure(options)
    except (BenchmarkError, LocalClusterError, StageError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    print(f"\n{table(outcomes)}")
    print(f"\n{_keep(outcomes)}")
    return 1 if missed(outcomes) else 0


def _measure(options: argparse.Namespace) -> list[Outcome]:
    outcomes = []
    if set(REAL) & set(options.parts):
        outcomes += _real(options)
    if "simulated" in options.parts:
        outcomes += _simulated(options.services, options.idle)
    return outcomes


def _real(options: argparse.Namespace) -> list[Outcome]:
    """On a cluster whose pods run and whose walls stand."""
    kind = choose()
    introduce("Freehold's figures", kind)
    stage = prepare(kind, ("operator", "postgres", "users", "payments"))
    install(stage)
    kubectl, rounds, changes = Kubectl(stage.kubeconfig), options.rounds, options.changes
    few = max(1, rounds // 3)
    namespaces.clear(kubectl)
    parts: dict[str, tuple[Callable[[Step], Outcome], str]] = {
        "ready": (partial(ready.compare, kubectl, rounds), f"{rounds} rounds with the operator and without"),
        "walls": (partial(walls.measure, kubectl, changes), f"{changes} changes of consumes each way"),
        "tls": (partial(tls.compare, kubectl, rounds), f"{rounds} rounds in plaintext and with mutual TLS"),
        "endpoint": (partial(endpoint.compare, kubectl, 2 * rounds), f"{2 * rounds} rounds by name and by address"),
        "languages": (partial(languages.compare, kubectl, stage, rounds), f"{rounds} rounds of each language"),
        "move": (partial(move.compare, kubectl, few), f"{few} rounds of each size, and as many by hand"),
    }
    outcomes = []
    for part, (measure, detail) in parts.items():
        if part in options.parts:
            with step(part) as progress:
                outcomes.append(measure(progress))
                progress.detail = detail
    return outcomes


def _simulated(services: int, idle: float) -> list[Outcome]:
    """All on one simulated cluster: writes and memory are the same where pods only pretend."""
    with step("memory") as progress, simulated_cluster(services + 1) as rig:
        progress.say(f"{services} services on simulated nodes")
        with memory.with_services(rig, services) as (_, grown):
            progress.say("writes for one more")
            outcomes = [grown, writes.until_ready(rig)]
            progress.say(f"{idle:.0f} s in which nothing happens")
            outcomes.append(writes.while_idle(rig, idle, services + 1))
        progress.say("the operator anew")
        outcomes.append(memory.after_restart(rig, services + 1, grown.raw["empty"]))
        progress.detail = f"{services} services on simulated nodes, {idle:.0f} s idle"
    return outcomes


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
    parser.add_argument("--rounds", type=_at_least(1, 100), default=10, help="of each way that is compared")
    parser.add_argument("--changes", type=_at_least(2, 500), default=50, help="of consumes, each way")
    parser.add_argument("--services", type=_at_least(1, 500), default=100, help="on simulated nodes")
    parser.add_argument("--idle", type=_at_least(5, 3600), default=600, metavar="SECONDS", help="in which all is quiet")
    return parser


if __name__ == "__main__":
    sys.exit(main())
