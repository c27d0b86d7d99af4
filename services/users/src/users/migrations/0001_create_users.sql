CREATE TABLE users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  -- Defines the order of lists; never changes, so that page tokens stay valid during inserts.
  position bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  name text NOT NULL CHECK (name <> ''),
  email text NOT NULL UNIQUE CHECK (email = lower(email)),
  create_time timestamptz NOT NULL DEFAULT now()
);
