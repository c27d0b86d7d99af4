"""A gRPC server that serves once it holds a number of connections of DATABASE_URL, and says NOT_SERVING until then.

    python connection_pool.py COUNT

Stories build the program into an image.
"""

import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import psycopg
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

STOP = threading.Event()


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: STOP.set())
    held, wanted = [], int(sys.argv[1])
    server, healthy = grpc.server(ThreadPoolExecutor(4)), health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    server.add_insecure_port(f"0.0.0.0:{os.environ['GRPC_PORT']}")
    server.start()
    while True:
        try:
            while len(held) < wanted:
                held.append(psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, connect_timeout=5))
        except psycopg.OperationalError as error:
            print(f"holds {len(held)} of {wanted}: {str(error).splitlines()[0]}", flush=True)
        is_full = len(held) == wanted
        states = health_pb2.HealthCheckResponse
        healthy.set("", states.SERVING if is_full else states.NOT_SERVING)
        if STOP.wait(0.5):
            break
    server.stop(5).wait()


if __name__ == "__main__":
    main()
