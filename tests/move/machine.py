"""Resources of the machine for a lab: programs, a user, ports, a folder, a certificate, processes."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0
ROOM_BYTES = 3 * 1024**3


def postgresql_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, found as by services/with-postgres."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    return folders[-1] if folders else None


def server_user() -> str | None:
    """Return a user for the servers, since PostgreSQL refuses to run as root."""
    if os.geteuid():
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("postgres").pw_name
    return "nobody"


def roomy_folder() -> str | None:
    """Return a folder in memory where there is space: the tests kill programs, never the machine."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > ROOM_BYTES else None


def wait_until(found: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.02)
    return answer


def free_port() -> int:
    """Return a free port below the range of client ports, so that no client occupies the port of a stopped server."""
    while True:
        with contextlib.suppress(OSError), socket.socket() as found:
            found.bind(("127.0.0.1", random.randrange(20000, 30000)))
            return int(found.getsockname()[1])


def runs(process: int) -> bool:
    """Whether a process runs; a zombie does not count."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def below(process: int) -> Iterator[int]:
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                yield child
                yield from below(child)


def write_certificate(folder: Path) -> None:
    """Create an authority and a certificate for 127.0.0.1, in folders like those of Secret volumes."""
    inside = folder / "..first"
    inside.mkdir()
    (folder / "..data").symlink_to(inside.name)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("authority", "server")]
    today = datetime.now(UTC)
    for number, name in enumerate(("ca.crt", "tls.crt")):
        extensions: list[tuple[x509.ExtensionType, bool]] = [(x509.BasicConstraints(not number, None), True)]
        if number:
            extensions.append((x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False))
        builder = x509.CertificateBuilder().subject_name(names[number]).issuer_name(names[0])
        builder = builder.public_key(keys[number].public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(today - timedelta(hours=1)).not_valid_after(today + timedelta(days=1))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        (inside / name).write_bytes(builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        (folder / name).symlink_to(f"..data/{name}")
    private = keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (inside / "tls.key").write_bytes(private)
    (inside / "tls.key").chmod(0o600)
    (folder / "tls.key").symlink_to("..data/tls.key")
