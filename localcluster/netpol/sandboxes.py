"""Addresses that the network plugin has assigned, before the API server knows them.

The kubelet publishes a pod's address about a second after the network is set up; the containers already run by then.
libcni writes the result of each successful call, with the pod's uid, to a file before a container starts. The agent
reads these files and admits a new pod, under its policies, in time for the first packet. Where nodes share a machine,
reading the other nodes' files does the same for packets between nodes.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Network, ip_interface
from pathlib import Path

from asyncinotify import Inotify, Mask

from .intervals import contains, network_range
from .model import Pod

log = logging.getLogger(__name__)


class Sandboxes:
    """The uid of the pod behind each address in `cidr`, from the folders of libcni results."""

    def __init__(self, folders: Sequence[Path], cidr: str, changed: Callable[[], None]) -> None:
        self._folders = folders
        self._reach = (network_range(IPv4Network(cidr)),)
        self._changed = changed
        self._results: dict[Path, tuple[float, str, tuple[int, ...]]] = {}

    def holders(self) -> dict[int, str]:
        """Return address → pod uid; of two results for one address the newer one counts."""
        return {a: uid for _, uid, addresses in sorted(self._results.values()) for a in addresses}

    async def run(self) -> None:
        """Follow the folders until cancelled."""
        with Inotify() as inotify:
            gone = Mask.DELETE | Mask.MOVED_FROM
            for folder in self._folders:
                folder.mkdir(parents=True, exist_ok=True)
                inotify.add_watch(folder, Mask.CLOSE_WRITE | Mask.MOVED_TO | gone)
                for file in folder.iterdir():
                    self._read(file)
            self._changed()
            async for event in inotify:
                if event.path is None:
                    continue
                if event.mask & gone:
                    self._results.pop(event.path, None)
                else:
                    self._read(event.path)
                self._changed()

    def _read(self, file: Path) -> None:
        try:
            written, content = file.stat().st_mtime, json.loads(file.read_text())
            uid = dict(content["cniArgs"])["K8S_POD_UID"]
            found = (int(ip_interface(ip["address"]).ip) for ip in content["result"]["ips"])
            addresses = tuple(a for a in found if contains(self._reach, a))
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.debug("%s has no pod address: %r", file, error)
            return
        if addresses:
            self._results[file] = (written, uid, addresses)


def placed(pods: Iterable[Pod], sandboxes: Mapping[int, str]) -> list[Pod]:
    """Return the pods with the addresses of their sandboxes, which take precedence over published addresses.

    An address whose sandbox belongs to no known pod is left out: the labels of its pod are unknown.
    """
    found: dict[str, list[int]] = {}
    for address, uid in sandboxes.items():
        found.setdefault(uid, []).append(address)
    return [
        dataclasses.replace(pod, addresses=addresses) if addresses != pod.addresses else pod
        for pod in pods
        for addresses in [_addresses(pod, sandboxes, found)]
    ]


def _addresses(pod: Pod, sandboxes: Mapping[int, str], found: Mapping[str, list[int]]) -> tuple[int, ...]:
    published = {address for address in pod.addresses if sandboxes.get(address, pod.uid) == pod.uid}
    return tuple(sorted(published | set(found.get(pod.uid, ()))))
