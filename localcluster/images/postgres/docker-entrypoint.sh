#!/bin/bash
# Starts PostgreSQL and creates the database on an empty volume. Variables and folders match the official image.
#
# The database is created in a folder of its own and moved into place, PG_VERSION last: a folder with PG_VERSION is
# complete, and an interrupted start begins again instead of serving an incomplete database.
set -Eeuo pipefail
shopt -s nullglob dotglob

# value_of NAME [DEFAULT]: print $NAME, or the content of the file $NAME_FILE.
value_of() {
  local file="${1}_FILE"
  if [[ -n ${!1-} && -n ${!file-} ]]; then
    echo "$1 and $file are both set; set one of them" >&2
    return 1
  fi
  if [[ -n ${!file-} ]]; then cat "${!file}"; else printf '%s' "${!1-${2-}}"; fi
}

psql_as_owner() {
  psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-password "$@"
}

run_init_scripts() {
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    echo "init: $file"
    case $file in
      *.sh) if [[ -x $file ]]; then "$file"; else source "$file"; fi ;;
      *.sql) psql_as_owner --dbname "$POSTGRES_DB" -f "$file" ;;
      *.sql.gz) gunzip -c "$file" | psql_as_owner --dbname "$POSTGRES_DB" ;;
    esac
  done
}

clear_what_is_unfinished() {
  local entry
  for entry in "$1"/*; do
    [[ ${entry##*/} == lost+found ]] && continue
    [[ -d $1/initialising ]] || { echo "$1 is not empty and holds no database; empty it or set PGDATA to a folder in it" >&2; return 1; }
    [[ $entry == "$1/initialising" ]] || rm -rf "$entry"
  done
  rm -rf "$1/initialising" # last: marks the rest as incomplete
}

create_database() {
  local POSTGRES_PASSWORD_VALUE method
  POSTGRES_PASSWORD_VALUE=$(value_of POSTGRES_PASSWORD)
  method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
  if [[ -z $POSTGRES_PASSWORD_VALUE && $method != trust ]]; then
    echo "set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE: a new database needs its owner's password" >&2
    return 1
  fi
  local extra=()
  read -ra extra <<<"$(value_of POSTGRES_INITDB_ARGS)"
  initdb --no-sync --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD_VALUE") "${extra[@]}"
  printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"

  # A private socket, so that neither probes nor clients mistake this instance for the final one.
  PGHOST=$(mktemp -d)
  export PGHOST PGPASSWORD=$POSTGRES_PASSWORD_VALUE
  pg_ctl -w start -o "-c listen_addresses='' -c unix_socket_directories='$PGHOST' -c fsync=off"
  if [[ $POSTGRES_DB != postgres ]]; then
    psql_as_owner --dbname postgres -v db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
  fi
  run_init_scripts
  pg_ctl -m fast -w stop
  rmdir "$PGHOST"
  initdb --sync-only
}

initialise() (
  POSTGRES_USER=$(value_of POSTGRES_USER postgres)
  POSTGRES_DB=$(value_of POSTGRES_DB "$POSTGRES_USER")
  export POSTGRES_USER POSTGRES_DB
  final=$PGDATA
  clear_what_is_unfinished "$final"
  export PGDATA=$final/initialising
  mkdir -m 700 "$PGDATA"
  create_database
  for entry in "$PGDATA"/*; do
    [[ ${entry##*/} == PG_VERSION ]] || mv "$entry" "$final/"
  done
  sync "$final"
  mv "$PGDATA/PG_VERSION" "$final/"
  rmdir "$PGDATA"
)

if [[ ${1-} == -* ]]; then set -- postgres "$@"; fi
if [[ ${1-} == postgres && " $* " != *" --version "* && " $* " != *" --help "* ]]; then
  mkdir -p "$PGDATA"
  chmod 700 "$PGDATA" 2>/dev/null || true # the root folder of a volume may belong to another user
  [[ -s $PGDATA/PG_VERSION ]] || initialise
  unset POSTGRES_PASSWORD
fi
exec "$@"
