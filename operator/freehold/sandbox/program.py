"""The program of the sandbox: answers checks from standard input on standard output, until the input ends.

    python -P -m freehold.sandbox.program

Each check runs in a process of its own, forked from this small one, with bounds on processor time, time, memory and the
answer. A check leaves nothing behind for the next, and ends this program neither by a crash nor by an endless loop.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

from freehold.core.protobuf import checker, checks
from freehold.core.protobuf.checks import Check, Kind
from freehold.sandbox import frames

OUT_OF_MEMORY = 2
"""The exit code of a check that needs more memory."""


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the program, by the end of the input
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # nobody reads the answer of a parent that was killed
    os.nice(5)  # whoever waits for the answers has work of its own
    with suppress(OSError):
        # The kernel ends this process first, should memory run out.
        Path("/proc/self/oom_score_adj").write_text("1000")
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while header := source.readline():
        kind, size, successor_size = header.decode().split()
        check = Check(Kind(kind), source.read(int(size)), source.read(int(successor_size)))
        sink.write(frames.answer(_answer(check)))
        sink.flush()


def _answer(check: Check) -> bytes:
    """Return the document that a forked process writes about a check, or the cause of the end of the process."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(readable)
        _work(check, writable)
    os.close(writable)
    with open(readable, "rb") as pipe:  # noqa: PTH123 - a file descriptor
        document = pipe.read(frames.MAX_ANSWER + 1)
    # The pipe is closed, so that a process with more to write ends.
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if len(document) > frames.MAX_ANSWER:
        return _ended("the answer is too large")
    if code == 0:
        return document
    return _ended(_cause(code))


def _work(check: Check, writable: int) -> None:
    """Write the result of a check, and end the process."""
    code = 1
    try:
        _restrict()
        document = json.dumps({"result": checks.to_json(checker.run(check))}).encode()
        with open(writable, "wb") as pipe:
            pipe.write(document)
        code = 0
    except MemoryError:
        code = OUT_OF_MEMORY
    finally:
        os._exit(code)


def _restrict() -> None:
    """Close the streams of the program, and set the bounds of a check."""
    os.close(0)
    os.close(1)
    memory = frames.MEMORY_MIB * 1024 * 1024
    for kind, soft, hard in (
        (resource.RLIMIT_CPU, frames.CPU_SECONDS, frames.CPU_SECONDS + 1),
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_FSIZE, 0, 0),
    ):
        with suppress(ValueError):  # a lower limit is in force
            resource.setrlimit(kind, (soft, hard))
    signal.setitimer(signal.ITIMER_REAL, frames.WALL_SECONDS)


def _cause(code: int) -> str:
    """Describe the end of a process. code: an exit code, or a signal's number below zero."""
    match -code:
        case signal.SIGXCPU:
            return f"more than {frames.CPU_SECONDS} s of processor time"
        case signal.SIGALRM:
            return f"more than {frames.WALL_SECONDS} s"
    if code == OUT_OF_MEMORY:
        return f"more than {frames.MEMORY_MIB} MiB of memory"
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _ended(cause: str) -> bytes:
    return json.dumps({"ended": cause}).encode()


if __name__ == "__main__":
    main()
