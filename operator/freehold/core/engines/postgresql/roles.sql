-- Brings the roles to what the credentials say; safe to run again at every start.
-- owner holds the schema and runs migrations; app reads and writes rows, and can change no table; replicator copies the
-- server to another instance and switches the two, and has no session in app.
-- Passwords are among these statements, so that none is logged, whether it fails or the server is told to log them all.
SET log_statement = none;
SET log_min_error_statement = panic;
SET log_min_duration_statement = -1;
\set app_password `cat /credentials/app`
\set owner_password `cat /credentials/owner`
\set replicator_password `cat /credentials/replicator`
SET client_min_messages = warning;

BEGIN;
SELECT 'CREATE ROLE owner' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'owner') \gexec
SELECT 'CREATE ROLE app' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'app') \gexec
SELECT 'CREATE ROLE replicator' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'replicator') \gexec
ALTER ROLE owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 10
  PASSWORD :'owner_password';
ALTER ROLE app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT :connections
  PASSWORD :'app_password';
-- Doors, a switch, a standby and a copy that begins again while the server still holds the connections of the last one.
ALTER ROLE replicator LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE REPLICATION NOBYPASSRLS CONNECTION LIMIT 16
  PASSWORD :'replicator_password';
GRANT pg_monitor TO replicator;
ALTER ROLE app SET statement_timeout = :'statement_timeout';
ALTER ROLE app SET idle_in_transaction_session_timeout = :'idle_in_transaction_timeout';
-- What a client asked for that is gone, as when it was killed, nobody waits for.
ALTER ROLE app SET client_connection_check_interval = '500ms';

REVOKE ALL ON DATABASE app FROM PUBLIC;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
REVOKE ALL ON DATABASE template1 FROM PUBLIC;
GRANT CONNECT, CREATE, TEMPORARY ON DATABASE app TO owner;
GRANT CONNECT ON DATABASE app TO app;
GRANT CONNECT ON DATABASE postgres TO replicator;

ALTER SCHEMA public OWNER TO owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO app;

ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT USAGE ON SCHEMAS TO app;
ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO app;
ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT USAGE, SELECT ON SEQUENCES TO app;
-- PostgreSQL lets everybody run functions and use types unless told otherwise.
ALTER DEFAULT PRIVILEGES FOR ROLE owner REVOKE EXECUTE ON ROUTINES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT EXECUTE ON ROUTINES TO app;
ALTER DEFAULT PRIVILEGES FOR ROLE owner REVOKE USAGE ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT USAGE ON TYPES TO app;
COMMIT;

-- What a move needs, where no client of the service comes. A server is open when it is not in recovery and app allows
-- connections. That is a row of pg_database: it outlives a crash, and a standby gets it in the log like any other.
\connect postgres
SET client_min_messages = warning;
BEGIN;
CREATE SCHEMA IF NOT EXISTS freehold;
GRANT USAGE ON SCHEMA freehold TO replicator;

-- Role pg_checkpoint, which might do this, came with version 15.
CREATE OR REPLACE FUNCTION freehold.checkpoint() RETURNS void LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS 'CHECKPOINT';

-- Ends the sessions of app, and tells whether it is closed and none is left. A session that is about to start holds a
-- lock on the database from before it reads whether connections are allowed until after it is seen in pg_stat_activity
-- (InitPostgres in postinit.c): so whoever got in is found, if the locks are looked at first. Workers of autovacuum
-- come even where no connection is allowed, and change no row.
CREATE OR REPLACE FUNCTION freehold.drained() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  app CONSTANT oid := (SELECT oid FROM pg_database WHERE datname = 'app' AND NOT datallowconn);
BEGIN
  IF app IS NULL THEN
    RETURN false;
  END IF;
  -- Activity is copied when first looked at in a transaction, and stays as it was until that copy is thrown away.
  PERFORM pg_stat_clear_snapshot();
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datid = app AND backend_type <> 'autovacuum worker';
  IF EXISTS (SELECT FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_database'::regclass AND objid = app) THEN
    RETURN false;
  END IF;
  PERFORM pg_stat_clear_snapshot();
  RETURN NOT EXISTS (SELECT FROM pg_stat_activity WHERE datid = app AND backend_type <> 'autovacuum worker');
END $$;

-- The last thing that is written before a switch; it stays for as long as the server is closed. A standby that shows
-- this very mark has replayed all that was committed before it, which comparing positions in two logs does not tell.
CREATE TABLE IF NOT EXISTS freehold.sealed (mark text NOT NULL);
GRANT SELECT ON freehold.sealed TO replicator;
CREATE OR REPLACE FUNCTION freehold.seal(mark text) RETURNS text LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp
  AS 'INSERT INTO freehold.sealed SELECT seal.mark WHERE NOT EXISTS (SELECT FROM freehold.sealed);
      SELECT sealed.mark FROM freehold.sealed';
CREATE OR REPLACE FUNCTION freehold.close() RETURNS void LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp
  AS 'DELETE FROM freehold.sealed WHERE (SELECT datallowconn FROM pg_database WHERE datname = ''app'');
      ALTER DATABASE app ALLOW_CONNECTIONS false';
CREATE OR REPLACE FUNCTION freehold.open() RETURNS void LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp
  AS 'DELETE FROM freehold.sealed; ALTER DATABASE app ALLOW_CONNECTIONS true';

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA freehold FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA freehold TO replicator;
GRANT EXECUTE ON FUNCTION pg_promote TO replicator;
-- What pg_rewind reads its source with (its manual, 'Notes').
GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean), pg_read_binary_file(text),
  pg_read_binary_file(text, bigint, bigint, boolean) TO replicator;
COMMIT;
