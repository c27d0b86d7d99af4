-- Objects that the owner of the schema can create, of every kind, with rows.

CREATE SCHEMA ledger;
COMMENT ON SCHEMA ledger IS 'everything';
SET search_path = ledger, public;

-- Types
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE mood AS ENUM ('sad', 'happy');

CREATE TYPE pair AS (one int, other text);
CREATE TYPE span AS RANGE (subtype = numeric, multirange_type_name = spans);
COMMENT ON TYPE mood IS 'three values';

-- Functions
CREATE FUNCTION doubled(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := 'noted'; RETURN NEW; END $$;
CREATE PROCEDURE nothing() LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE AGGREGATE total(int) (sfunc = int4pl, stype = int, initcond = '0');
CREATE FUNCTION shown(pair) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1.one || $1.other';
CREATE OPERATOR === (leftarg = int, rightarg = int, function = int4eq, commutator = ===);
CREATE CAST (pair AS text) WITH FUNCTION shown(pair);

-- Collation and text search
CREATE COLLATION german (provider = icu, locale = 'de-u-co-phonebk');
CREATE COLLATION numbers (provider = icu, locale = 'und-u-kn', deterministic = false);
CREATE TEXT SEARCH DICTIONARY plain (template = simple, stopwords = english);
CREATE TEXT SEARCH CONFIGURATION words (copy = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION words ALTER MAPPING FOR asciiword WITH plain;
CREATE CONVERSION latin FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1;

-- Tables
CREATE TABLE plain (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, amount positive DEFAULT 1, feeling mood DEFAULT 'happy',
  two pair, reach span, spread spans, name text COLLATE german UNIQUE, twice int GENERATED ALWAYS AS (doubled(amount)) STORED,
  note text, body text, document jsonb, place point, at timestamptz DEFAULT '2026-01-01 12:00+00', bits bit varying,
  network inet, numbers int[], words tsvector, EXCLUDE USING gist (reach WITH &&)
);
CREATE TABLE parted (id int NOT NULL, region text NOT NULL, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE parted_north PARTITION OF parted FOR VALUES IN ('north') PARTITION BY RANGE (id);
CREATE TABLE parted_north_low PARTITION OF parted_north FOR VALUES FROM (0) TO (100);
CREATE TABLE parted_rest PARTITION OF parted DEFAULT;
CREATE TABLE parent (id int, note text);
CREATE TABLE child (extra text) INHERITS (parent);
CREATE TABLE child_of_plain (id bigint REFERENCES plain ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, note text);
CREATE TABLE of_type OF pair;
CREATE TABLE secured (id int, owner_name text);
CREATE UNLOGGED TABLE cache (id bigint GENERATED ALWAYS AS IDENTITY, value text);
CREATE INDEX ON cache (value);
CREATE SEQUENCE counter INCREMENT 7 START 5 CACHE 20 CYCLE;
CREATE TABLE counted (id int DEFAULT nextval('counter'));
ALTER SEQUENCE counter OWNED BY counted.id;

INSERT INTO plain (amount, two, reach, spread, name, body, document, place, bits, network, numbers, words)
  SELECT n, (n, 'o')::pair, span(n, n + 1), spans(span(n, n + 1)), 'Ä' || n, repeat(md5(n::text), 2000),
    jsonb_build_object('n', n), point(n, n), n::bit(16), '10.0.0.1', ARRAY[n, n], to_tsvector('words', 'the ' || n || ' cats')
  FROM generate_series(1, 500) AS n;
DELETE FROM plain WHERE amount % 9 = 0;
UPDATE plain SET note = 'changed' WHERE amount % 7 = 0;
INSERT INTO parted SELECT n, CASE WHEN n % 2 = 0 THEN 'north' ELSE 'south' END FROM generate_series(0, 99) AS n;
INSERT INTO parent VALUES (1, 'parent');
INSERT INTO child VALUES (2, 'child', 'more');
INSERT INTO child_of_plain SELECT id, 'child' FROM plain LIMIT 20;
INSERT INTO of_type VALUES (1, 'one');
INSERT INTO secured VALUES (1, 'app'), (2, 'owner');
INSERT INTO counted SELECT FROM generate_series(1, 30);

-- Indexes, of each access method
CREATE INDEX ON plain USING hash (name);
CREATE INDEX ON plain USING gin (document, words);
CREATE INDEX ON plain USING spgist (place);
CREATE INDEX ON plain USING brin (at);
CREATE INDEX ON plain (lower(name)) INCLUDE (amount) WHERE amount > 3;
CREATE INDEX ON plain (name COLLATE numbers);
CREATE INDEX ON parted (region);
CLUSTER plain USING plain_pkey;

-- What belongs to tables
CREATE VIEW seen WITH (security_barrier) AS SELECT id, name FROM plain WHERE amount > 10;
CREATE MATERIALIZED VIEW sums AS SELECT region, count(*) FROM parted GROUP BY region;
CREATE UNIQUE INDEX ON sums (region);
CREATE MATERIALIZED VIEW unfilled AS SELECT 1 AS one WITH NO DATA;
CREATE RULE kept AS ON DELETE TO parent DO INSTEAD NOTHING;
CREATE TRIGGER note BEFORE UPDATE ON child_of_plain FOR EACH ROW EXECUTE FUNCTION noted();
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON secured DEFERRABLE FOR EACH ROW EXECUTE FUNCTION noted();
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON secured TO app USING (owner_name = current_user);
CREATE STATISTICS related (ndistinct, dependencies, mcv) ON amount, note FROM plain;
ALTER TABLE plain ADD CHECK (amount < 1000) NOT VALID;
ALTER TABLE plain ALTER name SET STATISTICS 500, ALTER body SET STORAGE EXTERNAL;
ALTER TABLE plain SET (fillfactor = 80);
ALTER TABLE plain REPLICA IDENTITY FULL;
ALTER TABLE plain DROP COLUMN bits;
COMMENT ON COLUMN plain.name IS 'a name';
CREATE PUBLICATION published FOR TABLE plain (id, name) WHERE (id > 5), parted;

-- Privileges
GRANT SELECT (id), UPDATE (note) ON plain TO app WITH GRANT OPTION;
GRANT EXECUTE ON FUNCTION doubled TO app;
ALTER DEFAULT PRIVILEGES IN SCHEMA ledger GRANT TRUNCATE ON TABLES TO app;
ALTER ROLE owner SET work_mem = '8MB';
ALTER ROLE owner IN DATABASE app SET search_path = ledger, public;

-- Large objects
SELECT lo_from_bytea(4711, decode(repeat('00ff', 50000), 'hex'));
SELECT lo_from_bytea(4712, 'short');
GRANT SELECT ON LARGE OBJECT 4711 TO app;
COMMENT ON LARGE OBJECT 4711 IS 'large';

ANALYZE;
