# Functions of start.sh that bring the credentials of the mounted Secret to the server.

# The passwords as roles.sql reads them: from standard input, since the pod has no terminal. Those of data that has just
# moved here come later than the data.
passwords() {
  local role password
  for role in owner app replicator; do
    password=$(cat "/credentials/$role" 2>/dev/null) && [[ $password ]] || return 1
    printf '%s\n%s\n' "$password" "$password"
  done
}

# Whether role replicator can log in with its password, so that no session can be of a server that knows an earlier one.
is_replicator_known() {
  PGPASSWORD=$(</credentials/replicator) ask --host 127.0.0.1 --username replicator \
    --dbname "dbname=postgres sslmode=require" --command 'SELECT' >/dev/null 2>&1
}

# Sets the roles. Variable replaced becomes true if role replicator had another password, and its sessions are ended.
set_roles() {
  local known
  is_replicator_known || replaced=true
  known=$(passwords) && query_local --set connections="$CONNECTIONS" --set statement_timeout="$STATEMENT_TIMEOUT" \
    --set idle_in_transaction_timeout="$IDLE_IN_TRANSACTION_TIMEOUT" --set replaced="$replaced" \
    --set inherited="$inherited" --dbname "$POSTGRES_DB" --file /freehold/roles.sql <<<"$known" >/dev/null 2> >(sed '/^Enter /d;/^$/d' >&2)
}

# Writes the password with which this server replicates from its primary; libpq reads the file for each connection.
write_passfile() {
  local password
  password=$(</credentials/replicator)
  password=${password//\\/\\\\}
  (umask 077 && printf '*:*:*:replicator:%s\n' "${password//:/\\:}" >/tmp/replicator)
}

# Sets the roles from changed credentials without a restart. Fails while a switchover has fenced the server: the programs
# of the switchover use the password with which they began.
use_credentials() {
  [[ -z ${PRIMARY_HOST-} ]] || write_passfile
  case $(local_state) in
    writable) set_roles && { [[ $replaced == false ]] || watch_old_sessions; } ;;
    standby) ;;
    *) return 1 ;;
  esac
}

watch_old_sessions() {
  renewed=$(query_local --dbname postgres --command 'SELECT now()') && old_sessions=24 && replaced=false
}

# Ends sessions of role replicator that began to log in before the change of its password, for two minutes, since a login
# may take one (authentication_timeout). roles.sql ends the others. A switchover that began in between goes on.
end_old_sessions() {
  [[ $old_sessions -gt 0 && $(local_state) == writable ]] || return 0
  query_local --dbname postgres --set renewed="$renewed" >/dev/null <<<"SELECT pg_terminate_backend(pid)
    FROM pg_stat_activity WHERE usename = 'replicator' AND backend_start < :'renewed'::timestamptz"
  ((--old_sessions)) || true
}
