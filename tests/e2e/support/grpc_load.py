"""A load of gRPC calls to users by consumers in four languages, each configured by Freehold's published files alone.

Go: payments looks up the payer. Java: invoices looks up the debtor. Node: the storefront lists users. Python: a program
in a pod with the labels of a service named `caller`; the program also makes the calls to payments and invoices. Each
call is idempotent, and is sent at a constant rate whether or not the call before was answered.
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
"""An image with gRPC and reflection, and without stubs of a service."""
PROGRAMS = Path(__file__).with_name("programs")
KEY = "KEY"
"""A word in requests that each call replaces by a unique value."""
ENDING = 60.0
"""Seconds within which the calls under way end."""
LANGUAGES = ("go", "java", "node", "python")
PROBE = "freehold.dev/probe"
"""The label of a pod that a service's network policies select and that is none of the service's pods."""


@dataclass(frozen=True)
class Calls:
    """The calls of one language: their number, and the errors of failed calls."""

    made: int
    failed: Counter[str]


def declared(providers: Iterable[str] = PROVIDERS) -> Object:
    """Return the Python consumer, a service without pods."""
    return idle(CALLER, consumes=[{"name": name} for name in providers], grpc={"contract": "None"})


def start_callers(space: Space, providers: Iterable[str] = PROVIDERS) -> None:
    """Start the pod of the Python consumer, and an unmanaged pod in the role of a browser."""
    parts = [(name, part) for name in providers for part in ("uri", "service-config")]
    items = [{"key": f"{name}.{part}", "path": f"{name}/{part}"} for name, part in parts]
    bindings = {"name": "bindings", "configMap": {"name": f"{CALLER}-consumes", "items": items}}
    space.apply(pod(CALLER, behind_walls(space, CALLER), bindings), pod(BROWSER, {}))
    for name in (CALLER, BROWSER):
        space.kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")


def behind_walls(space: Space, service: str) -> dict[str, str]:
    """Return labels by which a service's network policies select a pod."""
    place: dict[str, str] = space.get(f"networkpolicy/{service}")["spec"]["podSelector"]["matchLabels"]
    return {**place, PROBE: "true"}


def pod(name: str, labels: dict[str, str], *volumes: Object, image: str = IMAGE, **container: Any) -> Object:
    """Return a pod that sleeps, for programs to be run inside."""
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
    """Calls of each language at a rate a second for a number of seconds, started at once. person: a registered user.

    `stopped()` ends the calls and returns the results by language.
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
        """Whether all languages still call."""
        return all(begun.poll() is None for begun in self._begun.values())

    def stopped(self) -> dict[str, Calls]:
        for begun in self._begun.values():
            assert begun.stdin
            begun.stdin.close()  # each program ends with its input
            begun.stdin = None
        return {language: self._came_of(begun) for language, begun in self._begun.items()}

    def _calls(self, provider: str, method: str, body: dict[str, Any]) -> subprocess.Popen[str]:
        return self._run(CALLER, "calls.py", provider, method, json.dumps(body))

    def _run(self, pod: str, program: str, *arguments: str) -> subprocess.Popen[str]:
        text = (PROGRAMS / program).read_text()
        command = [PYTHON, "-c", text, str(self._rate), str(self._seconds), *arguments]
        return self._space.begun("exec", "-i", pod, "--", *command)

    def _came_of(self, begun: subprocess.Popen[str]) -> Calls:
        assert begun.stdout
        assert begun.wait(ENDING) == 0, "a program ended ill; what it said is in the captured output"
        said = json.loads(begun.stdout.read())
        return Calls(said["made"], Counter(said["failed"]))
