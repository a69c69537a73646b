-- Our own database: the owner migrates, the app works (docs/decisions/0004). Run once by the image, as its superuser.
-- Passwords come from files, so that no command line and no log holds them.
\set ON_ERROR_STOP on
\set owner_password `cat "$DATABASE_OWNER_PASSWORD_FILE"`
\set app_password `cat "$DATABASE_APP_PASSWORD_FILE"`

CREATE ROLE changecontrol_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE changecontrol_app LOGIN PASSWORD :'app_password';
CREATE DATABASE changecontrol OWNER changecontrol_owner TEMPLATE template0;
REVOKE ALL ON DATABASE changecontrol FROM PUBLIC;
GRANT CONNECT ON DATABASE changecontrol TO changecontrol_app;

\connect changecontrol
REVOKE ALL ON SCHEMA public FROM PUBLIC;
-- What the app may do with each table is granted by `migrate`.
GRANT USAGE ON SCHEMA public TO changecontrol_app;
