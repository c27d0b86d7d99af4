"""The lines of a container's log that a condition shows.

The kubelet keeps the last 80 lines or 2048 bytes of the log of a container that ended with an error
(terminationMessagePolicy FallbackToLogsOnError).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from itertools import takewhile

from freehold.core.model.resources import Observed

MOST_LINES = 3
LINE_LIMIT = 300
PUBLIC_KEYS = {"type", "provider", "host", "port", "database", "username", "uri", "ca.crt", "tls.crt"}
"""The keys of Freehold's Secrets that need no masking; the password of a URI is masked under its own key."""
SHORTEST_SECRET = 8
"""The minimum length of a masked text; masking shorter texts would make logs unreadable."""
SEVERE = re.compile(r"\b(?:FATAL|PANIC):|^(?:panic|fatal error): ")
"""The line with the cause of an end: of PostgreSQL ('Message Severity Levels'), and of Go's runtime."""
ROUTINE = re.compile(r"\bFATAL:\s+(?:the database system is|terminating )")
"""What PostgreSQL tells clients while it starts and stops."""
EXPLAINING = re.compile(r"\b(?:DETAIL|HINT):")


def telling_lines(text: str, secret: Iterable[str] = ()) -> str:
    """Return the lines of a log for a condition, with `secret` texts and recognizable passwords masked.

    The last severe line with its details, since a server that fails goes on to log its end; else the last lines.
    """
    # Masked before lines are cut, since a truncated password is not recognizable.
    for value in secret:
        text = text.replace(value, "***")
    masked = re.sub(r"(://[^:/@\s]+:)[^@\s]+@", r"\1***@", text)
    masked = re.sub(r"(?i)(password['\"]?\s*[=:]\s*)\S+", r"\1***", masked)
    lines = [line.strip() for line in masked.splitlines() if line.strip()]
    severe = [n for n, line in enumerate(lines) if SEVERE.search(line) and not ROUTINE.search(line)]
    if severe:
        worst = max(severe, key=lambda n: ("PANIC:" in lines[n], n))
        lines = [lines[worst], *takewhile(EXPLAINING.search, lines[worst + 1 :])][:MOST_LINES]
    return " / ".join(line[:LINE_LIMIT] for line in lines[-MOST_LINES:])


def secret_lines(observed: Observed) -> list[str]:
    """Return the lines of the passwords and keys in the service's Secrets."""
    secrets = [live.get("data", {}) for ref, live in observed.objects.items() if ref.kind == "Secret"]
    values = [
        base64.b64decode(data[key]).decode(errors="replace") for data in secrets for key in data.keys() - PUBLIC_KEYS
    ]
    lines = [line for value in values for line in value.splitlines()]
    return [line for line in lines if len(line) >= SHORTEST_SECRET and not line.startswith("-----")]
