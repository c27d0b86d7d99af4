"""Faults during a switchover, and the invariants that hold whatever the outcome."""

from __future__ import annotations

import threading
import time
from typing import Any

from freehold.agents.postgresql.switchover_steps import Step

from tests.move.load import Scene
from tests.move.machine import wait_until
from tests.move.programs import outcome_of, start_switchover
from tests.move.servers import Server

STEPS = (
    Step.PREPARING,
    Step.FENCING,
    Step.TERMINATING,
    Step.MARKING,
    Step.CONFIRMING,
    Step.PROMOTING,
    Step.UNFENCING,
    Step.DONE,
)
"""The steps of a switchover; each is logged before its start, after the end of the step before."""
VICTIMS = (
    "switchover",
    "source",
    "target",
    "proxy",
    "switchover+source",
    "switchover+target",
    "source+target",
)
SOON, LATE = 0.0, 5.0
"""Seconds for which a killed party stays down: less, and more, than a switchover waits for the last byte of WAL."""


def moved_or_kept(pair: tuple[Server, Server], victims: str, step: Step, away: float) -> dict[str, Any]:
    """Run a switchover, kill parties at the start of a step, start them again like pods; return the outcome."""
    source, target = pair
    scene = Scene(source, target)
    try:
        run = start_switchover(source, target, PAUSE_AT=step)
        wait_until(lambda: run.at(step), f"the switchover is at {step}:\n{run.output()}")
        killed = victims.split("+")
        for server in (source, target):
            if ("source" if server is source else "target") in killed:
                server.kill()
        if "proxy" in killed:
            scene.proxy.kill()
        if "switchover" in killed:
            run.kill()
        run.go_on()
        back = threading.Timer(away, _come_back, (scene, killed))
        back.start()
        if "switchover" in killed:
            time.sleep(away / 2)
            run = start_switchover(source, target)
        found = outcome_of(run)
        back.join()
        scene.goes_on()
    finally:
        scene.stop()
    winner, other = (target, source) if found["outcome"] == "completed" else (source, target)
    scene.check(at=winner, away=other)
    scene.check_order()
    return found


def _come_back(scene: Scene, killed: list[str]) -> None:
    """Start killed programs with the settings of their pods: only the target follows another server."""
    if "source" in killed:
        scene.source.start()
    if "target" in killed:
        scene.target.start(follow=scene.source)
    if "proxy" in killed:
        scene.proxy = scene.start_proxy()
