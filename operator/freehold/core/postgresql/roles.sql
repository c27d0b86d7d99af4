-- Brings the roles to what the credentials say; safe to run again at every start.
-- owner holds the schema and runs migrations; app reads and writes rows, and can change no table.
-- Passwords are among these statements, so that none is logged, whether it fails or the server is told to log them all.
SET log_statement = none;
SET log_min_error_statement = panic;
SET log_min_duration_statement = -1;
\set app_password `cat /credentials/app`
\set owner_password `cat /credentials/owner`

BEGIN;
SELECT 'CREATE ROLE owner' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'owner') \gexec
SELECT 'CREATE ROLE app' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'app') \gexec
ALTER ROLE owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 10
  PASSWORD :'owner_password';
ALTER ROLE app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT :connections
  PASSWORD :'app_password';
ALTER ROLE app SET statement_timeout = :'statement_timeout';
ALTER ROLE app SET idle_in_transaction_session_timeout = :'idle_in_transaction_timeout';

REVOKE ALL ON DATABASE app FROM PUBLIC;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
REVOKE ALL ON DATABASE template1 FROM PUBLIC;
GRANT CONNECT, CREATE, TEMPORARY ON DATABASE app TO owner;
GRANT CONNECT ON DATABASE app TO app;

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
