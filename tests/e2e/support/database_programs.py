"""Programs that connect to the database by DATABASE_URL, for pods of the users image."""

from __future__ import annotations

RENEWED_WITHIN = 150
"""Seconds until the kubelet has updated a Secret volume, which takes a minute or two."""

ATTEMPT = """
import json, os, psycopg, sys
given, authority = json.load(sys.stdin), "/tmp/authority.crt"
if pem := given.pop("authority", ""):
    given["sslrootcert"] = authority
    open(authority, "w").write(pem)
try:
    psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5, **given).close()
    print("connected")
except psycopg.OperationalError as error:
    print(error)
"""
"""A program that tries to connect once; given parameters override those of the URI."""

QUERY = """
import json, os, psycopg, sys
given, queries = json.load(sys.stdin)
with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, **given) as connection:
    for query in queries:
        try:
            rows = connection.execute(query)
            print(rows.fetchone()[0] if rows.description else "done")
        except psycopg.Error as error:
            print(str(error).splitlines()[0])
"""
"""A program that runs queries and prints a line with the result or the error of each."""

CROWD = """
import os, psycopg
held, said = [], ""
while not said and len(held) < 100:
    try:
        held.append(psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5))
    except psycopg.OperationalError as error:
        said = str(error)
print(len(held), said)
"""

IDLE = """
import os, psycopg, select
connection = psycopg.connect(os.environ["DATABASE_URL"])
connection.execute("select 1")
print("told" if select.select([connection.fileno()], [], [], 10)[0] else "left alone")
try:
    connection.execute("select 1")
except psycopg.Error as error:
    print(error)
"""

SERIAL = """
import os, socket, ssl, struct
from psycopg.conninfo import conninfo_to_dict
def serial():
    url = conninfo_to_dict(os.environ["DATABASE_URL"])
    with socket.create_connection((url["host"], url["port"]), timeout=5) as plain:
        plain.sendall(struct.pack("!ii", 8, 80877103))  # SSLRequest (PostgreSQL, 'Message Formats')
        assert plain.recv(1) == b"S"
        context = ssl.create_default_context(cafile=url["sslrootcert"])
        with context.wrap_socket(plain, server_hostname=url["host"]) as secured:
            return int(secured.getpeercert()["serialNumber"], 16)
"""
"""A function that returns the serial number of the server certificate of a new connection."""

STEADY = f"""{SERIAL}
import json, psycopg, sys, time
before, queries, failed = serial(), 0, []
kept = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
print("going", flush=True)
def ask(connect):
    try:
        connection = connect()
        connection.execute("select count(*) from users")
        connection is kept or connection.close()
    except psycopg.Error as error:
        failed.append(str(error))
deadline = time.monotonic() + {RENEWED_WITHIN}
while (now := serial()) == before and time.monotonic() < deadline:
    ask(lambda: kept)
    ask(lambda: psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5))
    queries += 2
    time.sleep(0.05)
ask(lambda: kept)
print(json.dumps([before, now, queries, failed]))
"""
"""A program that queries over a lasting and over new connections until a new connection gets another certificate."""

LEFT = """
import os, psycopg
kept = psycopg.connect(os.environ["DATABASE_URL"])
kept.pgconn.send_query(b"select pg_sleep(60)")
os._exit(0)
"""
