"""The command line: `serve`, the default, and `migrate`, which migrates the schema."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

import psycopg

from . import NAME, logs, schema, settings
from .errors import SettingsError


def main() -> None:
    """Run the command; on an error the user can correct, print one sentence and exit with status 1."""
    parser = argparse.ArgumentParser(prog=NAME)
    parser.add_argument("command", nargs="?", choices=("serve", "migrate"), default="serve")
    command = parser.parse_args().command
    try:
        _migrate() if command == "migrate" else _serve()
    except (SettingsError, schema.MigrationError, psycopg.OperationalError) as error:
        sys.exit(f"{NAME} {command}: {error}")


def _serve() -> None:
    from .server import serve  # migrations need no gRPC

    logs.configure()
    asyncio.run(serve(settings.settings(os.environ)))


def _migrate() -> None:
    for name in schema.migrate(settings.database_url(os.environ), schema.packaged()):
        print(f"applied {name}")
    print("the schema is up to date")


if __name__ == "__main__":
    main()
