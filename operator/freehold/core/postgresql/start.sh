#!/usr/bin/env bash
# Starts the server by its image's own entrypoint and, once it listens, brings its roles to what the credentials say.
# Its arguments are handed on to the server.
set -Eeuo pipefail

set_roles() {
  # The entrypoint's own first start listens on no address, so an answer here is the real server's.
  until pg_isready --quiet --host 127.0.0.1 --username app --dbname app; do sleep 0.1; done
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --host /var/run/postgresql --username postgres \
    --set connections="$CONNECTIONS" --set statement_timeout="$STATEMENT_TIMEOUT" \
    --set idle_in_transaction_timeout="$IDLE_IN_TRANSACTION_TIMEOUT" \
    --dbname "$POSTGRES_DB" --file /freehold/roles.sql >/dev/null
  touch /tmp/roles-are-set
}

# A renewed certificate is taken up without a restart: the kubelet points ..data elsewhere, the server reads it on SIGHUP.
follow_certificate() {
  local seen now
  seen=$(readlink /certificate/..data)
  while sleep 5; do
    now=$(readlink /certificate/..data)
    [[ $now == "$seen" ]] || { kill -HUP $$ && seen=$now; }
  done
}

rm -f /tmp/roles-are-set
{ set_roles; follow_certificate; } &
exec docker-entrypoint.sh postgres -c hba_file=/freehold/pg_hba.conf -c password_encryption=scram-sha-256 \
  -c ssl=on -c ssl_cert_file=/certificate/tls.crt -c ssl_key_file=/certificate/tls.key -c ssl_min_protocol_version=TLSv1.3 "$@"
