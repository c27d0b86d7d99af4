CREATE TABLE invoices (
  -- Given once and never again; a call that failed may leave a gap. The list and its page tokens go by it.
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- The id of a person in the users service. That is another server, so no foreign key can say so.
  user_id uuid NOT NULL,
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  minor_units bigint NOT NULL CHECK (minor_units > 0),
  idempotency_key text NOT NULL,
  -- The id of a payment in the payments service, once it is settled.
  payment_id uuid,
  issue_time timestamptz NOT NULL DEFAULT now(),
  UNIQUE (user_id, idempotency_key)
);
CREATE INDEX invoices_of_user ON invoices (user_id, number DESC);
