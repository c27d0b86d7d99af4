#!/usr/bin/env bash
# Starts the server by its image's own entrypoint and, once it listens, brings its roles to what the credentials say.
# Where PRIMARY_HOST names the server of another instance (HOST or HOST:PORT), this one becomes that one's standby: it copies the
# data where it has none, and goes back to where the two parted if the other one is open and this one was left behind.
# Its arguments are handed on to the server.
set -Eeuo pipefail

leader=""
copy=$PGDATA.copy             # a copy that is not whole yet
superseded=$PGDATA.superseded # says that the data is being rewound, and no good if that did not end well
arguments=(-c wal_keep_size=256MB)

say() { echo "start: $*" >&2; }

# What may take hours is waited for beside: the pod's first process is ended only by signals that it asks for.
run() { "$@" & wait $!; }

ask() { psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 --no-password "$@"; }
here() { ask --host /var/run/postgresql --username postgres "$@"; }
there() { ask --dbname "$leader dbname=postgres" --command "$1"; }

is_open_there() {
  [[ $(there "SELECT NOT pg_is_in_recovery() AND datallowconn FROM pg_database WHERE datname = 'app'") == t ]]
}

# Asked as no client ever connects; it recovers from a crash first. It keeps as much of the log as the server does, for
# pg_rewind reads it.
is_open_at_rest() {
  local said
  said=$(postgres --single -D "$PGDATA" "${arguments[@]}" postgres \
    <<<"SELECT datallowconn AS open FROM pg_database WHERE datname = 'app'")
  [[ $said != *'open = "f"'* ]]
}

# follows, open or closed.
state_here() {
  here --dbname postgres --command "SELECT CASE WHEN pg_is_in_recovery() THEN 'follows' WHEN datallowconn THEN 'open'
    ELSE 'closed' END FROM pg_database WHERE datname = 'app'"
}

# To within a segment of the log.
has_caught_up() {
  local written
  written=$(there 'SELECT pg_current_wal_flush_lsn()') &&
    [[ $(here --dbname postgres --command "SELECT pg_wal_lsn_diff('$written', pg_last_wal_replay_lsn()) <= 16777216
      FROM pg_stat_wal_receiver WHERE status = 'streaming'") == t ]]
}

set_roles() {
  here --set connections="$CONNECTIONS" --set statement_timeout="$STATEMENT_TIMEOUT" \
    --set idle_in_transaction_timeout="$IDLE_IN_TRANSACTION_TIMEOUT" \
    --dbname "$POSTGRES_DB" --file /freehold/roles.sql >/dev/null
}

# A standby takes its roles from the one it follows, and where app is closed nobody can set them; it may be closed just
# as they are set.
become_ready() {
  # The entrypoint's own first start listens on no address, so an answer here is the real server's.
  until pg_isready --quiet --host 127.0.0.1 --username app --dbname app; do sleep 0.1; done
  while true; do
    case $(state_here) in
      open) set_roles && break || sleep 1 ;;
      closed) break ;;
      follows) has_caught_up && break ;;
    esac
    sleep 0.1
  done
  touch /tmp/roles-are-set
}

# A renewed certificate is taken up without a restart: the kubelet points ..data elsewhere, the server reads it on
# SIGHUP. A server that was left behind, and could not reach the one to follow as it started, is stopped to start again.
attend() {
  local seen now round=0
  seen=$(readlink /certificate/..data)
  while sleep 5; do
    now=$(readlink /certificate/..data)
    [[ $now == "$seen" ]] || { kill -HUP $$ && seen=$now; }
    ((++round % 6)) || ! left_behind || { say "closed, and $PRIMARY_HOST is open: starts again to follow" && kill -INT $$; }
  done
}

# A standby whose leader has removed the log that it needs next never goes on by itself (PostgreSQL, 26.2.5), and its
# data is good for nothing but to be copied anew. Seen twice, for one that was away a while is not streaming at once.
mind_the_gap() {
  local missed=0
  while sleep 15; do
    lost_the_log 2>/dev/null && ((++missed)) || missed=0
    ((missed < 2)) || { say "$PRIMARY_HOST has removed the log that comes next" && : >"$superseded" && kill -INT $$; }
  done
}

lost_the_log() {
  local written
  [[ -e $PGDATA/standby.signal ]] && written=$(there 'SELECT pg_current_wal_flush_lsn()') &&
    [[ $(here --dbname postgres --command "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver
      WHERE status = 'streaming') AND pg_wal_lsn_diff('$written', pg_last_wal_replay_lsn()) >
      pg_size_bytes(current_setting('wal_keep_size'))") == t ]]
}

left_behind() {
  [[ -n ${PRIMARY_HOST-} && ! -e $PGDATA/standby.signal && $(state_here) == closed ]] && is_open_there 2>/dev/null
}

name_the_leader() {
  local password host=${PRIMARY_HOST%:*} port=5432
  [[ $PRIMARY_HOST != *:* ]] || port=${PRIMARY_HOST##*:}
  password=$(</credentials/replicator)
  password=${password//\\/\\\\}
  (umask 077 && printf '*:*:*:replicator:%s\n' "${password//:/\\:}" >/tmp/replicator)
  leader="host=$host port=$port user=replicator passfile=/tmp/replicator sslmode=verify-full sslrootcert=/certificate/ca.crt"
  leader+=" application_name=$HOSTNAME connect_timeout=3 keepalives_idle=5 keepalives_interval=2 keepalives_count=3"
  arguments+=(-c "primary_conninfo=$leader")
}

# Whatever has the data's own name is whole. A start that was cut short begins again.
copy_data() {
  local attempts=0
  until there 'SELECT' >/dev/null; do
    ((++attempts < 30)) || { say "cannot reach $PRIMARY_HOST, whose data is to be copied"; return 1; }
    sleep 2
  done
  say "copies the data of $PRIMARY_HOST"
  run pg_basebackup --dbname "$leader" --no-password --pgdata "$copy" --wal-method=stream --write-recovery-conf \
    --checkpoint=fast
  [[ ! -e $PGDATA ]] || rmdir "$PGDATA"
  mv "$copy" "$PGDATA"
  sync "${PGDATA%/*}"
  say "has copied the data of $PRIMARY_HOST"
}

# The one that stays behind is closed, for else the other would not have been opened. Where both are open, what this one
# has may be nowhere else: that is for people to decide.
step_down() {
  if is_open_at_rest; then
    say "$PRIMARY_HOST is open, and so is this one: it does not start. Close the one that is wrong, by"
    say "ALTER DATABASE app ALLOW_CONNECTIONS false in database postgres, once its data was compared."
    return 1
  fi
  : >"$superseded"
  sync "${PGDATA%/*}"
  say "was left behind: goes back to where it and $PRIMARY_HOST parted, and follows"
  there 'SELECT freehold.checkpoint()' >/dev/null # pg_rewind reads the timeline from the last one
  run pg_rewind --target-pgdata "$PGDATA" --source-server "$leader dbname=postgres" --write-recovery-conf || return 0
  sync "${PGDATA%/*}"
  rm "$superseded"
}

# A rewinding that failed or was cut short leaves data that is good for nothing (pg_rewind, 'Warning').
replace_data() {
  say "its data cannot be gone on from: it is copied anew"
  until is_open_there; do sleep 2; done
  rm -rf "$PGDATA"
  copy_data
  rm "$superseded"
}

# From another cluster this pod's address is let in a moment after it began. One whose name is gone is not waited for.
reach() {
  local said attempts=0
  until said=$(there 'SELECT' 2>&1); do
    [[ $said != *'could not translate host name'* ]] && ((++attempts < 5)) || return 1
    sleep 1
  done
}

follow() {
  rm -rf "$copy"
  [[ -s $PGDATA/PG_VERSION || -e $superseded ]] || copy_data
  if [[ ! -e $superseded && ! -e $PGDATA/standby.signal ]] && reach && is_open_there; then step_down; fi
  [[ ! -e $superseded ]] || replace_data
}

rm -f /tmp/roles-are-set
if [[ -n ${PRIMARY_HOST-} ]]; then
  trap 'kill $(jobs -p) 2>/dev/null || true; exit 143' TERM INT
  name_the_leader
  follow
elif [[ -e $superseded ]]; then
  say "the data is half rewound, and PRIMARY_HOST does not say which server has it whole"
  exit 1
fi
{ become_ready; attend; } &
[[ -z ${PRIMARY_HOST-} ]] || mind_the_gap &
exec docker-entrypoint.sh postgres -c hba_file=/freehold/pg_hba.conf -c password_encryption=scram-sha-256 \
  -c ssl=on -c ssl_cert_file=/certificate/tls.crt -c ssl_key_file=/certificate/tls.key \
  -c ssl_min_protocol_version=TLSv1.3 -c wal_retrieve_retry_interval=1s "${arguments[@]}" "$@"
