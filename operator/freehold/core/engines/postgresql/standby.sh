# Functions of start.sh for a standby: what it takes over from its primary, what it refuses, and when it must restart.

# Settings that a standby takes over from its primary: those by which rows are compared, formatted and searched, and
# those that must not be lower than the primary's (PostgreSQL, 'Hot Standby'). The primary may be another tenant's.
inherited="listen_addresses|shared_buffers|dynamic_shared_memory_type|datestyle|timezone|log_timezone"
inherited+="|lc_(messages|monetary|numeric|time)|default_text_search_config"
inherited+="|max_(connections|worker_processes|wal_senders|prepared_transactions|locks_per_transaction)"
# Settings of a standby by which a configuration file could run a program.
inert=(restore_command= archive_mode=off archive_command= archive_cleanup_command= recovery_end_command=
  shared_preload_libraries= session_preload_libraries= local_preload_libraries= ssl_passphrase_command=)

# Reduces the configuration files that came with a primary's data to the inherited settings. Their values are words and
# numbers: no quotes, no included files. The files are replaced, since either may be a symbolic link.
keep_inherited_settings() {
  local file settings
  for file in "$1/postgresql.conf" "$1/postgresql.auto.conf"; do
    settings=$([[ ! -f $file ]] || LC_ALL=C sed -nE \
      "s/^(($inherited) *= *('[A-Za-z0-9_.,*\/@+ -]*'|[A-Za-z0-9]+))[[:space:]]*(#.*)?$/\1/Ip" "$file" | tr -d '\0')
    rm -rf "$file"
    (umask 077 && echo "$settings" >"$file")
  done
}

# Refuses a copy that would lose something (freehold.losses in roles.sql), after a minute in which somebody may change
# that. The names are another server's: no part of a query, and shortened.
refuse_losses() {
  local names attempts=0
  until names=$(query_primary "SELECT string_agg(name, ', ') FROM (SELECT * FROM freehold.losses() AS name LIMIT 20) AS
      first") && [[ ! $names ]]; do
    names=${names//[^[:print:]]/}
    names="a copy of $PRIMARY_HOST would lose: ${names:-not known, since the query failed}"
    ((attempts % 15)) || log "${names:0:250}"
    ((++attempts < 30)) || { log "not copying: ${names:0:250}"; return 1; }
    sleep 2
  done
}

declare -A effective=() # the standby's settings of those names

# The settings with which the primary wrote the WAL, as pg_control records them: NAME VALUE.
recorded_settings() {
  LC_ALL=C pg_controldata "$PGDATA" | sed -nE 's/^(max_[a-z_]+) setting: +([0-9]{1,9})$/\1 \2/p' |
    sed 's/_xacts /_transactions /; s/_xact /_transaction /'
}

# Sets the arguments of a standby. PostgreSQL refuses a standby with lower settings than the primary had when it wrote the
# WAL ('Hot Standby'). So a standby keeps the recorded settings, if higher than its own, until the primary's lower ones
# are in the WAL and the standby restarts. "$@": the server's own arguments.
set_standby_arguments() {
  local setting name recorded
  for setting in "${inert[@]}"; do arguments+=(-c "$setting"); done
  while read -r name recorded; do
    effective[$name]=$(postgres -C "$name" -D "$PGDATA" "$@")
    ((effective[$name] >= recorded)) || { raised+=(-c "$name=$recorded") && effective[$name]=$recorded; }
  done < <(recorded_settings)
}

# Whether the primary has raised a setting above the standby's: replay is paused, until a restart.
is_setting_too_low() {
  local name recorded
  while read -r name recorded; do
    ((recorded <= ${effective[$name]:-$recorded})) || return 0
  done < <(recorded_settings)
  return 1
}

# The versions of the libraries by which this server, or its primary, sorts text; of two servers with the same catalogue.
collations="SELECT string_agg(DISTINCT collprovider::text || pg_collation_actual_version(oid), ' ') FROM pg_collation
  WHERE collprovider = 'c' OR collname = 'und-x-icu'"

# Ends a standby on which the data could not be used: indexes would be in another order, or extensions have no files. The
# file is kept for the life of the pod, since a server that is told to stop ends with exit code 0 and without a message.
fits_here() {
  local theirs ours missing
  theirs=$(query_primary "$collations") && ours=$(query_local --dbname postgres --command "$collations") &&
    missing=$(query_local --dbname "$POSTGRES_DB" --command "SELECT string_agg(extname, ', ') FROM pg_extension
      WHERE extname NOT IN (SELECT name FROM pg_available_extensions)") || return 1
  [[ $theirs != "$ours" || $missing ]] || return 0
  echo "the data of $PRIMARY_HOST does not fit this image: collation versions ${ours:-none} here, and there" \
    "${theirs//[^a-z0-9. ]/}; extensions without files here: ${missing:-none}; to check again, delete this pod" >/tmp/unfit
  log "$(</tmp/unfit)"
  kill -INT $$
  exit 1
}

# Restarts a standby that cannot go on: its primary has removed the WAL that it needs next (PostgreSQL, 26.2.5; only a new
# base backup helps), or has higher settings; or nothing has come for a minute, so that the pod is not Ready until it has
# caught up. The first two must hold twice, since a standby that was down does not stream at once.
watch_replication() {
  local missed=0 paused=0 silent=0
  while sleep 15; do
    [[ -e $PGDATA/standby.signal ]] || continue
    is_wal_missing 2>/dev/null && ((++missed)) || missed=0
    ((missed < 2)) || restart_standby "$PRIMARY_HOST has removed WAL that this standby needs" "$unusable"
    is_setting_too_low && ((++paused)) || paused=0
    ((paused < 2)) || restart_standby "$PRIMARY_HOST has settings above this standby's"
    is_streaming 2>/dev/null && silent=0 || ((++silent))
    ((silent < 4)) || restart_standby "no WAL has come from $PRIMARY_HOST for a minute"
  done
}

restart_standby() {
  log "$1: restarting"
  [[ ! ${2-} ]] || : >"$2"
  kill -INT $$
  exit 0
}

is_streaming() {
  [[ $(query_local --dbname postgres --command "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver
    WHERE status = 'streaming')") == t ]]
}

is_wal_missing() {
  local written
  written=$(query_primary_lsn) &&
    [[ $(query_local --dbname postgres --set written="$written" <<<"SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver
      WHERE status = 'streaming') AND pg_wal_lsn_diff(:'written'::pg_lsn, pg_last_wal_replay_lsn()) >
      pg_size_bytes(current_setting('wal_keep_size'))::numeric") == t ]]
}

