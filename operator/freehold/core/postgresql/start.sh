#!/usr/bin/env bash
# Starts the server by its image's own entrypoint and, once it listens, brings its roles to what the credentials say.
set -Eeuo pipefail

set_roles() {
  # The entrypoint's own first start listens on no address, so an answer here is the real server's.
  until pg_isready --quiet --host 127.0.0.1 --username app --dbname app; do sleep 0.1; done
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --host /var/run/postgresql --username postgres \
    --dbname "$POSTGRES_DB" --file /freehold/roles.sql >/dev/null
  touch /tmp/roles-are-set
}

rm -f /tmp/roles-are-set
set_roles &
exec docker-entrypoint.sh postgres -c hba_file=/freehold/pg_hba.conf -c password_encryption=scram-sha-256
