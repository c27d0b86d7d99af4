"""Consumers in four languages that call users all the while, each through nothing but what Freehold publishes to it.

Go: payments asks users who pays. Java: invoices asks users who owes. Node: the storefront lists them. Python: a program
that knows a target and a service config, in the place of a service named `caller`; it also makes the calls to payments
and invoices. Each call is one that may be repeated, and is sent when its time has come and not when the one before is
answered.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.support.cluster import Object, Space
from tests.e2e.support.microservices import idle

CALLER, BROWSER = "caller", "browser"
PROVIDERS = ("users", "payments", "invoices")
IMAGE, PYTHON = "localhost/freehold/operator:dev", "/opt/freehold/bin/python"
"""Has gRPC and reflection, and no stubs of anybody's."""
PROGRAMS = Path(__file__).with_name("programs")
KEY = "KEY"
"""In a request: another one for each call."""
LANGUAGES = ("go", "java", "node", "python")
PROBE = "freehold.dev/probe"
"""Marks a pod that stands behind a service's walls and is none of its pods."""


@dataclass(frozen=True)
class Calls:
    """What came of one language's calls: how many there were, and what those that failed said."""

    made: int
    failed: Counter[str]


def declared(providers: Iterable[str] = PROVIDERS) -> Object:
    """Who calls, in Python; it has no pods of its own."""
    return idle(CALLER, consumes=[{"name": name} for name in providers], grpc={"contract": "None"})


def stand(space: Space, providers: Iterable[str] = PROVIDERS) -> None:
    """A pod in the caller's place, and one that is nobody's, as a browser is."""
    parts = [(name, part) for name in providers for part in ("uri", "service-config")]
    items = [{"key": f"{name}.{part}", "path": f"{name}/{part}"} for name, part in parts]
    bindings = {"name": "bindings", "configMap": {"name": f"{CALLER}-consumes", "items": items}}
    space.apply(pod(CALLER, behind_walls(space, CALLER), bindings), pod(BROWSER, {}))
    for name in (CALLER, BROWSER):
        space.kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")


def behind_walls(space: Space, service: str) -> dict[str, str]:
    """The labels of a pod that stands in a service's place."""
    place: dict[str, str] = space.get(f"networkpolicy/{service}")["spec"]["podSelector"]["matchLabels"]
    return {**place, PROBE: "true"}


def pod(name: str, labels: dict[str, str], *volumes: Object, image: str = IMAGE, **container: Any) -> Object:
    """One that waits for programs to be run in it."""
    main: Object = {
        "name": "main",
        "image": image,
        "command": ["sleep", "infinity"],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": volume["name"], "mountPath": f"/{volume['name']}"} for volume in volumes],
        **container,
    }
    secure = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": [main], "securityContext": secure, "volumes": list(volumes)}
    quick = {"terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": {**spec, **quick}}


class Load:
    """So many calls a second from each language for so many seconds, begun at once. person: whom the calls are about.

    `ended()` waits for all and says what came of them, by language; `stopped()` does not wait out the seconds.
    """

    def __init__(
        self, space: Space, person: str, rate: int, seconds: int, languages: Sequence[str] = LANGUAGES
    ) -> None:
        self._space, self._rate, self._seconds = space, rate, seconds
        amount = {"currency": "EUR", "minor_units": "1250"}
        order = {"user_id": person, "amount": amount, "idempotency_key": KEY}
        begin = {
            "go": lambda: self._calls("payments", "shop.payments.v1.PaymentsService/MakePayment", order),
            "java": lambda: self._calls("invoices", "shop.invoices.v1.InvoicesService/IssueInvoice", order),
            "node": lambda: self._run(BROWSER, "pages.py", f"http://storefront.{space.name}.svc:8080/api/users"),
            "python": lambda: self._calls("users", "shop.users.v1.UsersService/GetUser", {"id": person}),
        }
        self._begun = {language: begin[language]() for language in languages}

    def running(self) -> bool:
        """Whether all of them still call."""
        return all(begun.poll() is None for begun in self._begun.values())

    def stopped(self) -> dict[str, Calls]:
        for begun in self._begun.values():
            assert begun.stdin
            begun.stdin.close()  # which each of them takes for its end
            begun.stdin = None
        return self.ended()

    def ended(self) -> dict[str, Calls]:
        return {language: self._came_of(begun) for language, begun in self._begun.items()}

    def _calls(self, provider: str, method: str, body: dict[str, Any]) -> subprocess.Popen[str]:
        return self._run(CALLER, "calls.py", provider, method, json.dumps(body))

    def _run(self, pod: str, program: str, *arguments: str) -> subprocess.Popen[str]:
        text = (PROGRAMS / program).read_text()
        command = [PYTHON, "-c", text, str(self._rate), str(self._seconds), *arguments]
        return self._space.begun("exec", "-i", pod, "--", *command)

    def _came_of(self, begun: subprocess.Popen[str]) -> Calls:
        assert begun.stdout
        # Its input stays open meanwhile, for it calls until that ends.
        assert begun.wait(self._seconds + 60) == 0, "a program ended ill; what it said is in the captured output"
        said = json.loads(begun.stdout.read())
        return Calls(said["made"], Counter(said["failed"]))
