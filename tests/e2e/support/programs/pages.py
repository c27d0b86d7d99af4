"""A program for pods that gets a URL at a constant rate and prints the result as JSON. Arguments: RATE SECONDS URL.

The program ends early with its input.
"""

import http.client
import json
import select
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

AT_ONCE = 64
here = threading.local()


def ask(host: str, path: str) -> str:
    """Get a path; return an empty text on success, else the error with its time.

    Each thread keeps its connection, as a browser does, and repeats the request on a new connection where the server
    has closed the old one (RFC 9112, 9.3.1).
    """
    for kept in (getattr(here, "connection", None), None):
        here.connection = kept or http.client.HTTPConnection(host, timeout=5)
        try:
            here.connection.request("GET", path)
            answer = here.connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            here.connection.close()
            here.connection = None
            if not (kept and isinstance(error, ConnectionError)):
                return f"{time.strftime('%X')} {error!r}"
        else:
            return "" if answer.status == 200 else f"{time.strftime('%X')} {answer.status}: {text[:200]}"
    return "unreachable"


def main(rate: int, seconds: int, url: str) -> None:
    place = urlsplit(url)
    begun = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = []
        for number in range(rate * seconds):
            time.sleep(max(0.0, begun + number / rate - time.monotonic()))
            if select.select([sys.stdin], [], [], 0)[0]:
                break
            asked.append(pool.submit(ask, place.netloc, place.path))
    failed = Counter(said for each in asked if (said := each.result()))
    print(json.dumps({"made": len(asked), "failed": failed}))


main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
