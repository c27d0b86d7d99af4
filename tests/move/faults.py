"""What goes wrong in the middle of a switch, and what must hold however it goes."""

from __future__ import annotations

import threading
import time
from typing import Any

from freehold.agents.postgresql.switchover_steps import Step

from tests.move.load import Scene
from tests.move.machine import wait_until
from tests.move.programs import outcome_of, switch
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
"""Each is told before it begins: that is after the one before it."""
VICTIMS = ("switch", "source", "target", "door", "switch+source", "switch+target", "source+target")
SOON, LATE = 0.0, 5.0
"""Seconds for which what was killed stays away: less, and more, than a switch waits for the last byte."""


def moved_or_kept(pair: tuple[Server, Server], victims: str, step: Step, away: float) -> dict[str, Any]:
    """What a switch told at last, in which these are killed as the step begins, and come back as their pods would."""
    source, target = pair
    scene = Scene(source, target)
    try:
        run = switch(source, target, PAUSE_AT=step)
        wait_until(lambda: run.at(step), f"the switch is at {step}:\n{run.said()}")
        killed = victims.split("+")
        for server in (source, target):
            if ("source" if server is source else "target") in killed:
                server.kill()
        if "door" in killed:
            scene.door.kill()
        if "switch" in killed:
            run.kill()
        run.go_on()
        back = threading.Timer(away, _come_back, (scene, killed))
        back.start()
        if "switch" in killed:
            time.sleep(away / 2)
            run = switch(source, target)
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
    """As their templates say: the first instance follows nobody yet, the second one the first."""
    if "source" in killed:
        scene.source.start()
    if "target" in killed:
        scene.target.start(follow=scene.source)
    if "door" in killed:
        scene.door = scene.open_door()
