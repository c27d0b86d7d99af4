"""The demo: the shop in a real cluster. A person registers, pays, and settles an invoice; each service has its own
database; a wall stands.

Run again, it reuses all that is there and takes a minute or two.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from hack.stage import ROOT, Stage, StageError, choose, install, introduce, prepare
from localcluster.errors import LocalClusterError
from localcluster.paths import tools_bin
from localcluster.progress import step

SHOP = "shop"
EXAMPLES = ROOT / "manifests/examples/shop"
READY_WITHIN = "240s"
FREEHOLD = Path(sys.executable).with_name("freehold")
TRY_AGAIN_SECONDS = 20.0
COUNT = "select count(*) || ' ' || case count(*) when 1 then 'row' else 'rows' end from "
ADA = {"name": "Ada", "email": "ada@example.com"}
PRICE = {"amount": "12.50", "currency": "EUR"}
REACH = "require('net').connect({port:5432,host:'users-database.shop.svc',timeout:3000})"
REPORT = (
    ".on('connect',()=>{console.log('connected');process.exit(1)})"
    ".on('timeout',()=>{console.log('timed out');process.exit(0)})"
    ".on('error',e=>{console.log(e.code==='ECONNREFUSED'||e.code==='ECONNRESET'?'refused':e.code);process.exit(0)})"
)


def main() -> None:
    kind = choose()
    introduce("Freehold demo", kind)
    stage = prepare(kind)
    install(stage)
    _shop(stage)
    print()
    print(stage.run("kubectl", "get", "msvc", "-n", SHOP))
    with _forwarded(stage) as address:
        print(f"A purchase   {_purchase(stage, address)}")
        print(f"An invoice   {_invoice(stage, address)}")
    print(f"A wall       {_wall(stage)}")
    print(f"All walls    {_proof(stage)}")
    print("Next         the shop's page: kubectl port-forward -n shop deployment/storefront 8080:8080")
    print("             kubectl freehold matrix -n shop · kubectl describe msvc payments -n shop · make down")
    print(f"             after: export KUBECONFIG={stage.kubeconfig} PATH={tools_bin()}:{FREEHOLD.parent}:$PATH")


def _shop(stage: Stage) -> None:
    with step("shop") as progress:
        progress.detail = "kubectl apply -f manifests/examples/shop/"
        stage.run("kubectl", "apply", "-f", EXAMPLES / "namespace.yaml")
        stage.run("kubectl", "apply", "-f", EXAMPLES)
        try:
            ready = f"--timeout={READY_WITHIN}"
            stage.run("kubectl", "wait", "msvc", "--all", "-n", SHOP, "--for=condition=Ready", ready)
        except StageError as error:
            state = stage.run("kubectl", "get", "msvc", "-n", SHOP, "-o", "wide")
            raise StageError(f"the shop is not ready after {READY_WITHIN}\n{state}\n{error}") from error


@contextmanager
def _forwarded(stage: Stage) -> Iterator[str]:
    """The storefront's address on this machine, by a port forwarded for as long as it is needed."""
    command = ["kubectl", "port-forward", "-n", SHOP, "deployment/storefront", ":8080", "--address", "127.0.0.1"]
    forward = subprocess.Popen(command, env=stage.environment(), stdout=subprocess.PIPE, text=True)
    try:
        # kubectl prints one line once it listens: Forwarding from 127.0.0.1:PORT -> 8080
        said = forward.stdout.readline() if forward.stdout else ""
        port = said.partition("127.0.0.1:")[2].partition(" ")[0]
        if not port:
            raise StageError("kubectl port-forward to the storefront did not start")
        yield f"http://127.0.0.1:{port}"
    finally:
        forward.terminate()
        forward.wait()


def _purchase(stage: Stage, address: str) -> str:
    """Registers a person and makes a payment over the storefront's API, then looks into both databases."""
    answer = _post(address, "/api/payments", _order(address))
    paid = answer["payment"]
    return (
        f"Ada is registered (users: {_rows(stage, 'users')}) and paid {paid['amount']} {paid['currency']} "
        f"(payments: {_rows(stage, 'payments')}), {answer['elapsedMs']} ms"
    )


def _invoice(stage: Stage, address: str) -> str:
    """Issues an invoice and settles it over the storefront's API, then looks for it in its database and on the page."""
    number = _post(address, "/api/invoices", _order(address))["invoice"]["number"]
    settled = _post(address, f"/api/invoices/{number}/settle", {})["invoice"]
    person, paid = settled["recipient"], settled["settlement"]
    amount = f"{paid['amount']} {paid['currency']}"
    took = _shown(address, number, (person["name"], person["email"], amount))
    return (
        f"No. {number} to {person['name']} <{person['email']}>, {amount}, paid: joined by invoices "
        f"({_rows(stage, 'invoices')}) from users and payments; shown on the shop's page, {took} ms"
    )


def _order(address: str) -> dict[str, str]:
    """A new order of Ada's, who is registered by it if she was not."""
    user = _post(address, "/api/users", ADA)["user"]["id"]
    return {"userId": user, **PRICE, "idempotencyKey": f"demo-{os.getpid()}-{time.time_ns()}"}


def _shown(address: str, number: int, wanted: tuple[str, ...]) -> str:
    """How many milliseconds the page took, on which the row of a settled invoice has all that is wanted."""
    try:
        with urllib.request.urlopen(f"{address}/", timeout=10) as answer:
            page = answer.read().decode()
            timing: str = answer.headers["server-timing"]  # like total;dur=41.2
    except urllib.error.HTTPError as error:
        raise StageError(f"GET /: HTTP {error.code}: {error.read().decode()}") from error
    row = re.search(rf'<tr id="invoice-{number}">.*?</tr>', page, re.DOTALL)
    if not row or "<form" in row[0] or not all(text in row[0] for text in wanted):
        raise StageError(f"the shop's page does not show invoice {number} as settled: {row[0] if row else page}")
    return timing.partition("dur=")[2]


def _post(address: str, path: str, body: dict[str, str]) -> Any:
    """What the shop answers. A 503 says to try again with the same key, as when it has just been started and one of
    its services has not looked up the other yet; that is done for a while, and said."""
    deadline = time.monotonic() + TRY_AGAIN_SECONDS
    while True:
        try:
            return _once(address, path, body)
        except urllib.error.HTTPError as error:
            said = error.read().decode()[:500].strip()
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                raise StageError(f"POST {path}: HTTP {error.code}: {said}") from error
            print(f"Trying again {said}")
            time.sleep(1)


def _once(address: str, path: str, body: dict[str, str]) -> Any:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address + path, json.dumps(body).encode(), headers, method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def _rows(stage: Stage, service: str) -> str:
    """What a service's own table has, like 1 row on users-database-0."""
    pod = f"{service}-database-0"
    server = ("-n", SHOP, pod, "--", "psql", "-h", "/var/run/postgresql", "-U", "postgres")
    found = stage.run("kubectl", "exec", *server, "-Atc", COUNT + service, "app").strip()
    return f"{found} on {pod}"


def _wall(stage: Stage) -> str:
    """An attempt to connect, from where the storefront stands."""
    pod = ("-n", SHOP, "deployment/storefront", "--", "node", "-e")
    said = stage.run("kubectl", "exec", *pod, REACH + REPORT).strip()
    return f"storefront → users-database:5432 {said}, as declared"


def _proof(stage: Stage) -> str:
    """What the probes found, once each has answered."""
    proven = ("--for=condition=IsolationVerified", "--timeout=120s")
    stage.run("kubectl", "wait", "msvc", "--all", "-n", SHOP, *proven)
    return stage.run(FREEHOLD, "matrix", "-n", SHOP).strip().splitlines()[-1]


if __name__ == "__main__":
    try:
        main()
    except (StageError, LocalClusterError) as error:
        sys.exit(f"freehold: {error}")
