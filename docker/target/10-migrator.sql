-- A target database for the example, with the role its worker connects as. Run once by the image, as its superuser.
\set ON_ERROR_STOP on
\set migrator_password `cat "$MIGRATOR_PASSWORD_FILE"`

-- CREATEROLE: migration 001 makes the diary's roles. CREATEDB: a restore goes into a fresh database.
-- BYPASSRLS: a dump that row security filters is no backup.
CREATE ROLE migrator LOGIN CREATEROLE CREATEDB BYPASSRLS PASSWORD :'migrator_password';
-- To look at who holds a lock before taking one.
GRANT pg_monitor TO migrator;
CREATE DATABASE diary OWNER migrator TEMPLATE template0;
REVOKE ALL ON DATABASE diary FROM PUBLIC;
