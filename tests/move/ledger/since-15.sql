-- What a superuser can create since version 15.
GRANT SET ON PARAMETER log_min_duration_statement TO owner;
CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA ledger;
