CREATE TABLE notes (
  id text PRIMARY KEY,
  text text NOT NULL,
  update_time timestamptz NOT NULL DEFAULT now()
);
