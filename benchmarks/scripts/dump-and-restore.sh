#!/bin/bash
# Runs in a pod of PostgreSQL's image with the access of a service's migrations: copies the database into a fresh server
# with pg_dump and pg_restore, and prints the duration in seconds. The owner's binding is at /binding.
set -euo pipefail

home=$(mktemp -d)
trap 'pg_ctl -D "$home/data" -m immediate stop >/dev/null || true; rm -rf "$home"' EXIT
export PGPASSWORD
PGPASSWORD=$(</binding/password)
initdb -D "$home/data" -U postgres --auth=trust -E UTF8 --no-locale >/dev/null
pg_ctl -D "$home/data" -w -l "$home/log" -o "-c listen_addresses= -c unix_socket_directories=$home" start >/dev/null
createdb -h "$home" -U postgres app

began=$(date +%s.%N)
pg_dump "host=$(</binding/host) user=$(</binding/username) dbname=$(</binding/database) sslmode=require" -Fc -Z0 |
  pg_restore -h "$home" -U postgres -d app --no-owner --no-privileges --exit-on-error
ended=$(date +%s.%N)
[[ $(psql -h "$home" -U postgres -Atqc 'select count(*) > 0 from ballast' app) == t ]]
awk -v began="$began" -v ended="$ended" 'BEGIN { printf "%.3f\n", ended - began }'
