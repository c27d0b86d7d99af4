-- What a superuser can create since version 16.
CREATE COLLATION ruled (provider = icu, locale = 'und', rules = '&a < g');
GRANT reader TO app WITH INHERIT FALSE, SET FALSE;
