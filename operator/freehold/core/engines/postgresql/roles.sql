-- Sets the roles and their passwords from the credentials; idempotent, run at every start.
-- owner: owns the schema, for migrations. app: reads and writes rows, and cannot change tables. replicator: replicates,
-- fences, unfences and promotes, and cannot connect to database app.
-- psql's \password reads a password twice from standard input and sends a SCRAM verifier, so that no password is in a
-- statement, in pg_stat_activity or in the log. Verifiers are not logged either.
SET log_statement = none;
SET log_min_error_statement = panic;
SET log_min_duration_statement = -1;
SET client_min_messages = warning;
SET lock_timeout = '10s';

BEGIN;
-- A change of the replication role's password ends the sessions of whoever knew the old one, unless a switchover has
-- begun: fencing writes pg_database, so it waits for the end of the transaction. No program of a move holds a transaction
-- open, so one that does is ended first; its session could keep the lock from us.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE usename = 'replicator' AND xact_start < clock_timestamp() - interval '5 seconds';
LOCK TABLE pg_database IN SHARE MODE;
DO $$ BEGIN
  ASSERT (SELECT datallowconn FROM pg_database WHERE datname = 'app'), 'a switchover has begun';
END $$;
SELECT 'CREATE ROLE owner' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'owner') \gexec
SELECT 'CREATE ROLE app' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'app') \gexec
SELECT 'CREATE ROLE replicator' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'replicator') \gexec
ALTER ROLE owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 10;
\password owner
ALTER ROLE app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT :connections;
\password app
-- Database proxies, a switchover, a standby, and a base backup that restarts before its last connections are gone.
ALTER ROLE replicator LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE REPLICATION NOBYPASSRLS CONNECTION LIMIT 16;
\password replicator
GRANT pg_monitor TO replicator;
-- Roles may change their own settings and passwords; role replicator is lent to the counterpart of a move.
ALTER ROLE replicator RESET ALL;
ALTER ROLE replicator IN DATABASE postgres RESET ALL;
-- A full volume makes the server read-only, and must not prevent a move to a larger one (volume.sh).
ALTER ROLE replicator SET default_transaction_read_only = off;
-- With the password that the role had before, sessions go on, such as a base backup that begins as its source starts.
\if :replaced
DO $$ BEGIN
  FOR attempt IN 1..100 LOOP
    PERFORM pg_stat_clear_snapshot();
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'replicator';
    IF NOT FOUND THEN
      RETURN;
    END IF;
    PERFORM pg_sleep(0.02);
  END LOOP;
  RAISE 'sessions of role replicator do not end';
END $$;
\endif
COMMIT;

BEGIN;
ALTER ROLE app SET statement_timeout = :'statement_timeout';
ALTER ROLE app SET idle_in_transaction_session_timeout = :'idle_in_transaction_timeout';
-- A change of a table waits for the transactions that use the table, and everybody else waits behind the change. Longer
-- than deadlock_timeout (1 s), after which an autovacuum in the way is cancelled. A session may set another value.
ALTER ROLE owner SET lock_timeout = '2s';
-- Cancel queries of clients that are gone, for example killed.
ALTER ROLE app SET client_connection_check_interval = '500ms';

REVOKE ALL ON DATABASE app FROM PUBLIC;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
REVOKE ALL ON DATABASE template1 FROM PUBLIC;
GRANT CONNECT, CREATE, TEMPORARY ON DATABASE app TO owner;
GRANT CONNECT, TEMPORARY ON DATABASE app TO app;
GRANT CONNECT ON DATABASE postgres TO replicator;

ALTER SCHEMA public OWNER TO owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app;
GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO app;
-- Sequences in other schemas that an earlier release let the role use, but not set.
SELECT format('GRANT UPDATE ON SEQUENCE %s TO app', seqrelid::regclass) FROM pg_sequence
  WHERE has_sequence_privilege('app', seqrelid, 'USAGE') AND NOT has_sequence_privilege('app', seqrelid, 'UPDATE') \gexec

ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT USAGE ON SCHEMAS TO app;
ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO app;
ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO app;
-- By default PostgreSQL lets PUBLIC execute functions and use types.
ALTER DEFAULT PRIVILEGES FOR ROLE owner REVOKE EXECUTE ON ROUTINES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT EXECUTE ON ROUTINES TO app;
ALTER DEFAULT PRIVILEGES FOR ROLE owner REVOKE USAGE ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT USAGE ON TYPES TO app;
COMMIT;

-- Functions for moves, in a database without clients of the service. A server is writable if it is not in recovery and
-- database app allows connections. The fence is a row of pg_database: it survives a crash and is replicated in the WAL.
\connect postgres
SET client_min_messages = warning;
BEGIN;
-- Before version 15 PUBLIC may create objects here, operators for the superuser's queries included.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS freehold;
GRANT USAGE ON SCHEMA freehold TO replicator;

-- Role pg_checkpoint would suffice, but exists only since version 15.
CREATE OR REPLACE FUNCTION freehold.checkpoint() RETURNS void LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS 'CHECKPOINT';

-- Terminates the sessions of database app; returns whether the database is fenced and no session is left. A starting
-- session holds a lock on the database from before it checks ALLOW_CONNECTIONS until after it is in pg_stat_activity
-- (InitPostgres in postinit.c), so checking the locks first misses no session. Autovacuum workers start even on a
-- fenced database, and change no rows.
CREATE OR REPLACE FUNCTION freehold.sessions_terminated() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  app CONSTANT oid := (SELECT oid FROM pg_database WHERE datname = 'app' AND NOT datallowconn);
BEGIN
  IF app IS NULL THEN
    RETURN false;
  END IF;
  -- Within a transaction pg_stat_activity is a snapshot, until cleared.
  PERFORM pg_stat_clear_snapshot();
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datid = app AND backend_type <> 'autovacuum worker';
  IF EXISTS (SELECT FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_database'::regclass AND objid = app) THEN
    RETURN false;
  END IF;
  PERFORM pg_stat_clear_snapshot();
  RETURN NOT EXISTS (SELECT FROM pg_stat_activity WHERE datid = app AND backend_type <> 'autovacuum worker');
END $$;

-- The switchover marker: the last row written before a switchover, kept while the server is fenced. A standby with the
-- same marker has replayed every earlier commit, which a comparison of WAL positions of two servers does not prove.
CREATE TABLE IF NOT EXISTS freehold.switchover_marker (marker text NOT NULL);
GRANT SELECT ON freehold.switchover_marker TO replicator;
CREATE OR REPLACE FUNCTION freehold.write_marker(marker text) RETURNS text LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp
  AS 'INSERT INTO freehold.switchover_marker SELECT write_marker.marker
        WHERE NOT EXISTS (SELECT FROM freehold.switchover_marker);
      SELECT switchover_marker.marker FROM freehold.switchover_marker';
CREATE OR REPLACE FUNCTION freehold.fence() RETURNS void LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp
  AS 'DELETE FROM freehold.switchover_marker WHERE (SELECT datallowconn FROM pg_database WHERE datname = ''app'');
      ALTER DATABASE app ALLOW_CONNECTIONS false';
CREATE OR REPLACE FUNCTION freehold.unfence() RETURNS void LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp
  AS 'DELETE FROM freehold.switchover_marker; ALTER DATABASE app ALLOW_CONNECTIONS true';

-- What physical copying and a promotion lose, one name a row: a move is refused while there is any. Tables and sequences
-- of database app are read by a local session of the superuser, since role replicator may not connect to app. A
-- session of app waits for the lock of a migration, so sizes are read from files.
CREATE SCHEMA IF NOT EXISTS freehold_local;
SELECT 'CREATE EXTENSION dblink SCHEMA freehold_local' FROM pg_available_extensions
  WHERE name = 'dblink' AND installed_version IS NULL \gexec
SELECT format('CREATE OR REPLACE FUNCTION freehold.inherited_settings() RETURNS text LANGUAGE sql AS %L',
  format('SELECT %L', :'inherited')) \gexec
CREATE OR REPLACE FUNCTION freehold.losses() RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY SELECT format('replication slot %I', slot_name) FROM pg_replication_slots WHERE NOT temporary
    UNION ALL SELECT format('tablespace %I', spcname) FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')
    -- A standby takes over the settings that start.sh names, with values of words and numbers.
    UNION ALL SELECT DISTINCT format('setting %s', file.name) FROM pg_file_settings AS file
      LEFT JOIN pg_settings AS known ON lower(known.name) = lower(file.name)
      WHERE known.source IS DISTINCT FROM 'command line'
        AND file.setting IS DISTINCT FROM known.boot_val
        AND NOT (file.name ~* format('^(%s)$', freehold.inherited_settings()) AND file.setting ~ '^[A-Za-z0-9_.,*/@+ -]*$');
  RETURN QUERY SELECT found.name FROM freehold_local.dblink(
    format('host=%s port=%s user=postgres dbname=app connect_timeout=2 options=%L',
      split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'),
      '-c search_path=pg_catalog -c statement_timeout=1500'),
    $query$
      SELECT format(CASE relkind WHEN 'r' THEN 'unlogged table %I.%I with rows' ELSE 'unlogged sequence %I.%I' END,
          nspname, relname)
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE relpersistence = 'u' AND CASE relkind
          WHEN 'r' THEN (pg_stat_file(pg_relation_filepath(pg_class.oid), true)).size > 0
          WHEN 'S' THEN pg_sequence_last_value(pg_class.oid) IS NOT NULL END
        LIMIT 100
    $query$) AS found (name text);
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA freehold FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA freehold TO replicator;
GRANT EXECUTE ON FUNCTION pg_promote TO replicator;
-- Functions by which pg_rewind reads from the primary (pg_rewind, 'Notes').
GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean), pg_read_binary_file(text),
  pg_read_binary_file(text, bigint, bigint, boolean) TO replicator;
COMMIT;

\connect template1
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
