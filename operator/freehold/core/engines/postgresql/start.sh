#!/usr/bin/env bash
# Starts the server by its image's entrypoint and, once the server listens, sets the roles from the credentials.
# PRIMARY_HOST (HOST or HOST:PORT) names the server of another instance, and makes this server its standby: without data
# by a base backup; as a fenced former primary, by pg_rewind once the other server is writable.
# Arguments are passed to the server.
set -Eeuo pipefail

conninfo=""               # of the primary
copy=$PGDATA.copy         # an incomplete base backup
unusable=$PGDATA.unusable # exists while the data must not be used: during pg_rewind, or without the WAL to continue
arguments=()
raised=()                 # settings of a standby that override the server's arguments
# Names in the script's queries mean pg_catalog's objects, whatever roles and databases set (ALTER ROLE SET).
export PGOPTIONS="-c search_path=pg_catalog -c default_transaction_read_only=off"

log() { echo "start: $*" >&2; }

source /freehold/commands.sh
source /freehold/credentials.sh
source /freehold/standby.sh
source /freehold/volume.sh

ask() { psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 --no-password "$@"; }
query_local() { ask --host /var/run/postgresql --username postgres "$@"; }
query_primary() { ask --dbname "$conninfo dbname=postgres" --command "$1"; }

# The primary's WAL position; fails for any other answer. An answer of another server is never part of a query: psql
# quotes the variable :'written', which only a query from standard input can contain.
query_primary_lsn() {
  local answer
  answer=$(query_primary 'SELECT pg_current_wal_flush_lsn()') && [[ $answer =~ ^[0-9A-F]{1,8}/[0-9A-F]{1,8}$ ]] &&
    echo "$answer"
}

primary_is_writable() {
  [[ $(query_primary "SELECT NOT pg_is_in_recovery() AND datallowconn FROM pg_database WHERE datname = 'app'") == t ]]
}

# Whether the stopped server is unfenced. Single-user mode admits no client and recovers from a crash first. The
# arguments keep as much WAL as the server does, since pg_rewind needs that WAL.
is_unfenced_offline() {
  local answer
  answer=$(postgres --single -D "$PGDATA" "${arguments[@]}" postgres \
    <<<"SELECT datallowconn AS unfenced FROM pg_database WHERE datname = 'app'")
  [[ $answer != *'unfenced = "f"'* ]]
}

# standby, writable or fenced.
local_state() {
  query_local --dbname postgres --command "SELECT CASE WHEN pg_is_in_recovery() THEN 'standby'
    WHEN datallowconn THEN 'writable' ELSE 'fenced' END FROM pg_database WHERE datname = 'app'"
}

# Whether this standby lacks at most one WAL segment.
has_caught_up() {
  local written
  written=$(query_primary_lsn) &&
    [[ $(query_local --dbname postgres --set written="$written" <<<"SELECT
      pg_wal_lsn_diff(:'written'::pg_lsn, pg_last_wal_replay_lsn()) <= 16777216::numeric
      FROM pg_stat_wal_receiver WHERE status = 'streaming'") == t ]]
}

# Marks the server as ready once the roles are set. A standby replicates the roles, and on a fenced server no session can
# set them. set_roles is retried, since the server may be fenced meanwhile.
become_ready() {
  local replaced=false
  # The entrypoint's temporary server listens on no address, so an answer comes from the final server.
  until pg_isready --quiet --host 127.0.0.1 --username app --dbname app; do sleep 0.1; done
  while true; do
    case $(local_state) in
      writable) set_roles && break || sleep 1 ;;
      fenced) break ;;
      standby) has_caught_up && fits_here && break ;;
    esac
    sleep 0.1
  done
  touch /tmp/roles-are-set
}

# Reloads a renewed certificate without a restart: the kubelet replaces the link ..data, and the server reads files on
# SIGHUP. Sets the roles from changed credentials. Restarts a former primary that could not reach the new primary at
# start. credentials: those that are set.
watch_files_and_primary() {
  local loaded current round=0 credentials=$1 replaced=false renewed="" old_sessions=0
  loaded=$(readlink /certificate/..data)
  while sleep 5; do
    current=$(readlink /certificate/..data)
    [[ $current == "$loaded" ]] || { kill -HUP $$ && loaded=$current; }
    current=$(cat /credentials/*)
    [[ $current == "$credentials" ]] || { use_credentials && credentials=$current; } || true
    end_old_sessions || true
    ((round % 6)) || ! has_room_again || {
      log "the volume has room again: restarting, to accept writes" && kill -INT $$
    }
    ((++round % 6)) || ! is_former_primary || {
      log "fenced, and $PRIMARY_HOST is writable: restarting as a standby" && kill -INT $$
    }
  done
}

is_former_primary() {
  [[ -n ${PRIMARY_HOST-} && ! -e $PGDATA/standby.signal && $(local_state) == fenced ]] &&
    primary_is_writable 2>/dev/null
}

set_conninfo() {
  local host=${PRIMARY_HOST%:*} port=5432
  [[ $PRIMARY_HOST != *:* ]] || port=${PRIMARY_HOST##*:}
  write_passfile
  conninfo="host=$host port=$port user=replicator passfile=/tmp/replicator"
  conninfo+=" sslmode=verify-full sslrootcert=/certificate/ca.crt"
  conninfo+=" application_name=$HOSTNAME connect_timeout=3 keepalives_idle=5 keepalives_interval=2 keepalives_count=3"
  arguments+=(-c "primary_conninfo=$conninfo")
}

# Takes a base backup of the primary. The folder gets its final name once complete; an interrupted backup starts again.
take_base_backup() {
  local attempts=0
  until query_primary 'SELECT' >/dev/null; do
    ((++attempts < 30)) || { log "cannot take a base backup: $PRIMARY_HOST is unreachable"; return 1; }
    sleep 2
  done
  refuse_losses
  log "taking a base backup of $PRIMARY_HOST"
  run pg_basebackup --dbname "$conninfo" --no-password --pgdata "$copy" --wal-method=stream --write-recovery-conf \
    --checkpoint=fast
  keep_inherited_settings "$copy"
  [[ ! -e $PGDATA ]] || rmdir "$PGDATA"
  mv "$copy" "$PGDATA"
  sync "${PGDATA%/*}"
  log "base backup of $PRIMARY_HOST is complete"
}

# Turns a former primary into a standby. A switchover fences the old primary before unfencing the new one. If neither is
# fenced, this server may hold rows that exist nowhere else, and people must decide.
rewind() {
  if is_unfenced_offline; then
    log "not starting: this server and $PRIMARY_HOST are both writable. Compare their data, then fence the wrong one by"
    log "ALTER DATABASE app ALLOW_CONNECTIONS false in database postgres."
    return 1
  fi
  : >"$unusable"
  sync "${PGDATA%/*}"
  log "former primary: rewinding to become a standby of $PRIMARY_HOST"
  query_primary 'SELECT freehold.checkpoint()' >/dev/null # pg_rewind reads the timeline from the last checkpoint
  run pg_rewind --target-pgdata "$PGDATA" --source-server "$conninfo dbname=postgres" --write-recovery-conf || return 0
  keep_inherited_settings "$PGDATA"
  sync "${PGDATA%/*}"
  rm "$unusable"
}

# Replaces unusable data, as after a failed or interrupted pg_rewind (pg_rewind, 'Warning'), by a base backup.
replace_data() {
  log "the data is unusable: taking a new base backup"
  until primary_is_writable; do sleep 2; done
  rm -rf "$PGDATA"
  take_base_backup
  rm "$unusable"
}

# Whether the primary is reachable. Retries, since a remote cluster admits this pod's address shortly after the pod's
# start; except for a host name that does not exist.
can_reach_primary() {
  local answer attempts=0
  until answer=$(query_primary 'SELECT' 2>&1); do
    [[ $answer != *'could not translate host name'* ]] && ((++attempts < 5)) || return 1
    sleep 1
  done
}

become_standby() {
  [[ -s $PGDATA/PG_VERSION || -e $unusable ]] || take_base_backup
  if [[ ! -e $unusable && ! -e $PGDATA/standby.signal ]] && can_reach_primary && primary_is_writable; then rewind; fi
  [[ ! -e $unusable ]] || replace_data
}

# Whether the volume of this pod is known to hold the data, and is empty: the entrypoint would make a new database.
has_lost_data() {
  [[ $(cat /freehold/recorded 2>/dev/null) == "$HOSTNAME" && ! -s $PGDATA/PG_VERSION && ! -e $unusable ]]
}

rm -rf /tmp/roles-are-set "$copy"
[[ ! -e /tmp/unfit ]] || { log "$(</tmp/unfit)"; exit 1; }
if has_lost_data; then
  log "not starting: the volume has held the data of this service, and is empty"
  echo '{"outcome": "empty"}' >/dev/termination-log
  exit 1
fi
bound_wal
keep_reserve
if [[ -n ${PRIMARY_HOST-} ]]; then
  trap 'kill $(jobs -p) 2>/dev/null || true; exit 143' TERM INT
  set_conninfo
  become_standby
  [[ ! -e $PGDATA/standby.signal ]] || set_standby_arguments "$@"
elif [[ -e $unusable ]]; then
  log "cannot start: the data is unusable, and PRIMARY_HOST names no server for a new base backup"
  exit 1
fi
credentials=$(cat /credentials/*)
{ become_ready; watch_files_and_primary "$credentials"; } &
[[ -z ${PRIMARY_HOST-} ]] || watch_replication &
unset PGOPTIONS # only for the script's own connections
exec docker-entrypoint.sh postgres -c hba_file=/freehold/pg_hba.conf -c password_encryption=scram-sha-256 \
  -c ssl=on -c ssl_cert_file=/certificate/tls.crt -c ssl_key_file=/certificate/tls.key \
  -c ssl_min_protocol_version=TLSv1.3 -c wal_retrieve_retry_interval=1s "${arguments[@]}" "$@" "${raised[@]}"
