"""An HTTP client of the storefront, by a port forwarded to one of its pods."""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple

from tests.e2e.support.cluster import Space

PACE = 0.02
"""Seconds between two calls of a load: often enough to notice a failure, and affordable on two cores."""


class Answer(NamedTuple):
    """An answer of the storefront. body: parsed JSON, or a page as text."""

    status: int
    body: Any


@dataclass
class Storefront:
    """A connection to one storefront pod."""

    port: int

    def get(self, path: str) -> Answer:
        return self._ask("GET", path)

    def post(self, path: str, body: dict[str, str]) -> Answer:
        return self._ask("POST", path, json.dumps(body))

    def purchase(self) -> tuple[str, str]:
        """Register a new person and pay; return the person's email address and id."""
        email = f"ada-{uuid.uuid4().hex[:8]}@example.org"
        registered = self.post("/api/users", {"name": "Ada", "email": email})
        assert registered.status == 201, registered
        person = registered.body["user"]["id"]
        order = {"userId": person, "amount": "12.50", "currency": "EUR", "idempotencyKey": email}
        paid = self.post_patiently("/api/payments", order)
        assert paid.status == 201 and paid.body["payment"]["amount"] == "12.50", paid
        return email, person

    def post_patiently(self, path: str, body: dict[str, str], within: float = 20) -> Answer:
        """Post an idempotent request until the status is not 503, since a service that just started may not have
        resolved its provider yet."""
        deadline = time.monotonic() + within
        while (answer := self.post(path, body)).status == 503 and time.monotonic() < deadline:
            time.sleep(0.5)
        return answer

    def _ask(self, method: str, path: str, body: str | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode()
            plain = "application/json" not in (answer.getheader("Content-Type") or "")
            return Answer(answer.status, text if plain else json.loads(text))
        finally:
            connection.close()

    def until(self, path: str, status: int, within: float = 30) -> Answer:
        """Get a path until the answer has this status. Nothing else tells when a connection opens or closes."""
        deadline = time.monotonic() + within
        while (answer := self.get(path)).status != status:
            assert time.monotonic() < deadline, f"GET {path}: not {status} after {within:g} s, but {answer}"
            time.sleep(0.1)
        return answer


@contextmanager
def forwarded(space: Space, service: str = "storefront") -> Iterator[Storefront]:
    """Forward a port to the storefront for the duration of the block."""
    command = ["kubectl", "-n", space.name, "port-forward", f"deployment/{service}", ":8080", "--address=127.0.0.1"]
    forward = subprocess.Popen(
        command, env=space.cluster.stage.environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    said = iter(forward.stdout or ())
    try:
        # kubectl prints a line once the port is open: Forwarding from 127.0.0.1:PORT -> 8080
        port = next(said, "").partition("127.0.0.1:")[2].partition(" ")[0]
        assert port, f"kubectl port-forward to {service} in {space.name} did not start"
        threading.Thread(target=lambda: list(said), daemon=True).start()  # a full pipe would stop it
        yield Storefront(int(port))
    finally:
        forward.kill()
        forward.wait()


@dataclass
class Load:
    """Idempotent calls, one after the other, for the duration of the block. served: calls by serving pod."""

    storefront: Storefront
    path: str = "/api/users"
    service: str = "users"
    calls: int = 0
    failed: list[str] = field(default_factory=list)
    served: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Load:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        if kind is None:
            assert self.calls > 0, "no call was made"
            assert not self.failed, f"{len(self.failed)} of {self.calls} calls failed: {self.failed[:3]}"

    def until(self, holds: Callable[[Counter[str]], bool], within: float = 30) -> None:
        """Call until a predicate on the served calls holds, counted from now on."""
        self.served.clear()
        deadline = time.monotonic() + within
        while not holds(self.served):
            assert time.monotonic() < deadline, f"after {within:g} s calls were served by {dict(self.served)}"
            self._stop.wait(PACE)

    def _run(self) -> None:
        while not self._stop.wait(PACE):
            self.calls += 1
            try:
                answer = self.storefront.get(self.path)
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(f"call {self.calls}: {error!r}")
                continue
            if answer.status == 200:
                self.served[answer.body["servedBy"][self.service]] += 1
            else:
                self.failed.append(f"call {self.calls}: {answer}")
