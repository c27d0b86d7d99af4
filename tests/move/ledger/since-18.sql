-- What a superuser can create since version 18.
CREATE TABLE booked (
  room int4range, during daterange, length int GENERATED ALWAYS AS (upper(during) - lower(during)) VIRTUAL,
  CONSTRAINT room_known CHECK (lower(room) > 0) NOT ENFORCED, PRIMARY KEY (room, during WITHOUT OVERLAPS)
);
CREATE TABLE used (
  room int4range, during daterange, note text, FOREIGN KEY (room, PERIOD during) REFERENCES booked (room, PERIOD during)
);
ALTER TABLE used ADD CONSTRAINT noted NOT NULL note NOT VALID;
INSERT INTO booked VALUES ('[0,1)', '[2026-01-01,2026-02-01)'), ('[0,1)', '[2026-02-01,2026-03-01)');
INSERT INTO used VALUES ('[0,1)', '[2026-01-15,2026-02-15)', 'both');
ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT SELECT ON LARGE OBJECTS TO app;
