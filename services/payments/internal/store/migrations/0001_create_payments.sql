-- +goose Up
CREATE TABLE payments (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  -- Orders the list; assigned once, so that a page token stays valid while people pay.
  position bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  -- The id of a person in the users service. That is another server, so no foreign key can say so.
  user_id uuid NOT NULL,
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  minor_units bigint NOT NULL CHECK (minor_units > 0),
  idempotency_key text NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now(),
  UNIQUE (user_id, idempotency_key)
);
CREATE INDEX payments_of_user ON payments (user_id, position DESC);
