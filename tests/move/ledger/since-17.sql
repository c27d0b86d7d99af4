-- What a superuser can create since version 17.
CREATE COLLATION built_in (provider = builtin, locale = 'C.UTF-8');
GRANT MAINTAIN ON plain TO app;
CREATE EVENT TRIGGER entering ON login EXECUTE FUNCTION watched();
CREATE TABLE numbered (id int GENERATED ALWAYS AS IDENTITY, region text) PARTITION BY LIST (region);
CREATE TABLE numbered_rest PARTITION OF numbered DEFAULT;
INSERT INTO numbered (region) VALUES ('north'), ('south');
