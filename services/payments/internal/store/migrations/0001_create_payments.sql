-- +goose Up
CREATE TABLE payments (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  -- Defines the order of lists; never changes, so that page tokens stay valid during inserts.
  position bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  -- The id of a person in the users service, on another server; a foreign key is not possible.
  user_id uuid NOT NULL,
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  minor_units bigint NOT NULL CHECK (minor_units > 0),
  idempotency_key text NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now(),
  UNIQUE (user_id, idempotency_key)
);
CREATE INDEX payments_of_user ON payments (user_id, position DESC);
