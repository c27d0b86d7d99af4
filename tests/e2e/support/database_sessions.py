"""Sessions with the database of users from inside the service's pod, with the service's DATABASE_URL."""

from __future__ import annotations

import base64
import json
import subprocess

from cryptography import x509

from tests.e2e.support.cluster import Object, Space
from tests.e2e.support.database_programs import ATTEMPT, QUERY
from tests.e2e.support.pod_exec import python

SERVICE = "deployment/users"


def attempt(yard: Space, **given: str) -> str:
    """Try to connect once; return `connected` or the error. given: parameters that override those of DATABASE_URL."""
    return python(yard, SERVICE, ATTEMPT, text=json.dumps(given))


def query(yard: Space, *queries: str, **given: str) -> list[str]:
    """Return the result or the error of each query. given: parameters that override those of DATABASE_URL."""
    return python(yard, SERVICE, QUERY, text=json.dumps([given, queries])).splitlines()


def secret_of(yard: Space, name: str) -> dict[str, str]:
    """Return the decoded data of a Secret."""
    data: dict[str, str] = yard.get(f"secret/{name}")["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def decoded(secret: Object, key: str) -> str:
    """Return one decoded value of a Secret."""
    return base64.b64decode(secret["data"][key]).decode()


def serial_number(pem: str) -> int:
    """Return the serial number of a certificate in PEM."""
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def read_line(process: subprocess.Popen[str]) -> str:
    """Return the next line of a process's output, without the line break."""
    assert process.stdout
    return process.stdout.readline().strip()
