-- Objects of database app that only a superuser can create.

SET search_path = ledger, public;
CREATE EXTENSION amcheck;
CREATE EXTENSION citext;
CREATE EXTENSION pg_trgm SCHEMA ledger;
CREATE TABLE extended (name citext, UNIQUE (name));
INSERT INTO extended VALUES ('Ada');
CREATE INDEX ON extended USING gin ((name::text) gin_trgm_ops);

CREATE TYPE raw;
CREATE FUNCTION raw_in(cstring) RETURNS raw LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION raw_out(raw) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE raw (input = raw_in, output = raw_out, like = text);
CREATE TABLE of_raw (value raw, name "char");
INSERT INTO of_raw VALUES ('x', 'y');

CREATE OPERATOR FAMILY whole USING btree;
CREATE OPERATOR CLASS backwards FOR TYPE int USING btree FAMILY whole AS
  OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 btint4cmp(int, int);
CREATE LANGUAGE second HANDLER plpgsql_call_handler INLINE plpgsql_inline_handler VALIDATOR plpgsql_validator;
CREATE TRANSFORM FOR int LANGUAGE sql
  (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int4recv(internal));
CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler;
CREATE TABLE elsewhere (id int) USING heap2;
INSERT INTO elsewhere VALUES (1);
CREATE TEXT SEARCH PARSER words (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE simpler (INIT = dsimple_init, LEXIZE = dsimple_lexize);

CREATE FUNCTION watched() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE EVENT TRIGGER watching ON ddl_command_end EXECUTE FUNCTION watched();
CREATE EVENT TRIGGER off ON sql_drop EXECUTE FUNCTION watched();
ALTER EVENT TRIGGER off DISABLE;

CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER far FOREIGN DATA WRAPPER nowhere OPTIONS (host 'far');
CREATE USER MAPPING FOR owner SERVER far OPTIONS (password 'secret');
CREATE FOREIGN TABLE there (id int OPTIONS (name 'x')) SERVER far;
CREATE PUBLICATION everything FOR ALL TABLES;

CREATE ROLE reader NOLOGIN CONNECTION LIMIT 3 VALID UNTIL '2030-01-01';
GRANT reader TO owner WITH ADMIN OPTION;
ALTER ROLE app IN DATABASE app SET search_path = ledger, public;
ALTER DATABASE app SET default_statistics_target = 200;
COMMENT ON DATABASE app IS 'the database';
COMMENT ON ROLE reader IS 'reads';
SELECT pg_replication_origin_create('origin');
SELECT pg_replication_origin_advance('origin', '0/ABCDEF');
CREATE SUBSCRIPTION idle CONNECTION 'host=127.0.0.1 port=1' PUBLICATION none WITH (connect = false);
