"""The file that turns enforcement off.

For tests that need connections without policies, as on a cluster whose network plugin ignores policies.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from asyncinotify import Inotify, Mask


class Switch:
    """Off while the file exists; the file's folder holds nothing else and is created if missing."""

    def __init__(self, file: Path, changed: Callable[[], None]) -> None:
        self._file = file
        self._changed = changed

    @property
    def off(self) -> bool:
        return self._file.exists()

    async def run(self) -> None:
        """Follow the folder until cancelled."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with Inotify() as inotify:
            inotify.add_watch(self._file.parent, Mask.CREATE | Mask.DELETE)
            self._changed()
            async for _ in inotify:
                self._changed()
