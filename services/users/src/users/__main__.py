"""The command line: `users` or `users serve` serves, `users migrate` migrates the schema."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

import psycopg

from users import logs, schema, settings
from users.errors import SettingsError


def main() -> None:
    """Run the command; on an error the user can correct, print one sentence and exit with status 1."""
    parser = argparse.ArgumentParser(prog="users", description="The people of the shop.")
    parser.add_argument("command", nargs="?", choices=("serve", "migrate"), default="serve")
    command = parser.parse_args().command
    try:
        _migrate() if command == "migrate" else _serve()
    except (SettingsError, schema.MigrationError, psycopg.OperationalError) as error:
        sys.exit(f"users {command}: {error}")


def _serve() -> None:
    # Allow TLS 1.3 only. gRPC for Python has no option for the version: TLS 1.3 ciphers are always enabled,
    # and the TLS 1.2 cipher set here needs a pre-shared key, which does not exist. gRPC reads the variable at
    # import.
    os.environ["GRPC_SSL_CIPHER_SUITES"] = "ECDHE-PSK-CHACHA20-POLY1305"
    from users.server import serve  # migrations need no gRPC

    logs.configure()
    asyncio.run(serve(settings.settings(os.environ)))


def _migrate() -> None:
    migrations = schema.packaged()
    for name in schema.migrate(settings.database_url(os.environ), migrations):
        print(f"applied {name}")
    print(f"the schema is at {max(migrations)}")


if __name__ == "__main__":
    main()
