-- Tells every nginx at once what is revoked: triggers that NOTIFY. As the owner of the tables:
--     psql -f examples/revocation.sql "dbname=my_app"
-- It may run again, and does so after a change of what is said here. With `-v NAME=VALUE` before `-f`:
--     schema    as auth_sigra_schema has it: sigra (default), phx_gen_auth, sigra_sessions
--     users     the users' table, as SQL has it: users (default), auth.users, "Users"
--     tokens    the sessions' table: users_tokens; where the schema is sigra_sessions, user_sessions
--     channel   as auth_sigra_revocation_channel has it: auth_sigra_revoked
-- What is sent, when the transaction commits:
--     64 hex digits   the SHA-256 of the raw token, for a session that is deleted or changed
--     user:ID         for a user who is deleted or changed
--     *               for a TRUNCATE, and for more than 1,000 of these in one statement
-- Columns that say nothing about who is logged in are left out, below; above all those that count guesses of a
-- password, or guessing would end the victim's entries in the cache.

\set ON_ERROR_STOP 1
\if :{?schema}
\else
    \set schema sigra
\endif
\if :{?users}
\else
    \set users users
\endif
\if :{?tokens}
\else
    SELECT CASE :'schema' WHEN 'sigra_sessions' THEN 'user_sessions' ELSE 'users_tokens' END AS tokens
    \gset
\endif
\if :{?channel}
\else
    \set channel auth_sigra_revoked
\endif

BEGIN;

SET LOCAL client_min_messages = warning;

-- The functions stand beside the users' table.
SELECT relnamespace::regnamespace AS place,
       :'schema' IN ('sigra', 'phx_gen_auth', 'sigra_sessions') AS schema_is_known,
       octet_length(:'channel') BETWEEN 1 AND 63 AS channel_is_fit
FROM pg_class
WHERE oid = :'users'::regclass
\gset
\if :schema_is_known
\else
    DO $$ BEGIN RAISE 'schema is sigra, phx_gen_auth or sigra_sessions'; END $$;
\endif
\if :channel_is_fit
\else
    DO $$ BEGIN RAISE 'a channel has 1 to 63 bytes'; END $$;
\endif

CREATE OR REPLACE FUNCTION :place.auth_sigra_revoke_users() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said_nothing constant text[] := '{failed_login_attempts,locked_at,updated_at}';
    ids text[];
BEGIN
    IF TG_OP = 'DELETE' THEN
        ids := ARRAY(SELECT o.id::text FROM old_rows o LIMIT 1001);
    ELSIF TG_OP = 'UPDATE' THEN
        ids := ARRAY(
            SELECT o.id::text
            FROM old_rows o LEFT JOIN new_rows n ON n.id = o.id
            WHERE to_jsonb(o) - said_nothing IS DISTINCT FROM to_jsonb(n) - said_nothing
            LIMIT 1001
        );
    END IF;
    IF TG_OP = 'TRUNCATE' OR cardinality(ids) > 1000 THEN
        PERFORM pg_notify(TG_ARGV[0], '*');
    ELSE
        PERFORM pg_notify(TG_ARGV[0], 'user:' || id) FROM unnest(ids) AS revoked (id);
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION :place.auth_sigra_revoke_tokens() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said_nothing constant text[] := '{last_active_at,ip,user_agent,updated_at}';
    in_sessions constant boolean := TG_ARGV[1] = 'sigra_sessions';
    is_raw constant boolean := TG_ARGV[1] = 'phx_gen_auth';
    tokens bytea[];
BEGIN
    IF TG_OP = 'DELETE' AND in_sessions THEN
        tokens := ARRAY(SELECT o.hashed_token FROM old_rows o LIMIT 1001);
    ELSIF TG_OP = 'DELETE' THEN
        tokens := ARRAY(SELECT o.token FROM old_rows o WHERE o.context = 'session' LIMIT 1001);
    ELSIF TG_OP = 'UPDATE' AND in_sessions THEN
        tokens := ARRAY(
            SELECT o.hashed_token
            FROM old_rows o LEFT JOIN new_rows n ON n.id = o.id
            WHERE to_jsonb(o) - said_nothing IS DISTINCT FROM to_jsonb(n) - said_nothing
            LIMIT 1001
        );
    ELSIF TG_OP = 'UPDATE' THEN
        tokens := ARRAY(
            SELECT o.token
            FROM old_rows o LEFT JOIN new_rows n ON n.id = o.id
            WHERE o.context = 'session'
              AND to_jsonb(o) - said_nothing IS DISTINCT FROM to_jsonb(n) - said_nothing
            LIMIT 1001
        );
    END IF;
    IF TG_OP = 'TRUNCATE' OR cardinality(tokens) > 1000 THEN
        PERFORM pg_notify(TG_ARGV[0], '*');
    ELSE
        PERFORM pg_notify(TG_ARGV[0], encode(CASE WHEN is_raw THEN sha256(token) ELSE token END, 'hex'))
        FROM unnest(tokens) AS revoked (token);
    END IF;
    RETURN NULL;
END
$$;

-- PostgreSQL has no transition table in a trigger of several events. nginx looks for these names and arguments.

DROP TRIGGER IF EXISTS auth_sigra_revoke_delete ON :users;
CREATE TRIGGER auth_sigra_revoke_delete AFTER DELETE ON :users
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION :place.auth_sigra_revoke_users(:'channel');
DROP TRIGGER IF EXISTS auth_sigra_revoke_update ON :users;
CREATE TRIGGER auth_sigra_revoke_update AFTER UPDATE ON :users
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION :place.auth_sigra_revoke_users(:'channel');
DROP TRIGGER IF EXISTS auth_sigra_revoke_truncate ON :users;
CREATE TRIGGER auth_sigra_revoke_truncate AFTER TRUNCATE ON :users
    FOR EACH STATEMENT EXECUTE FUNCTION :place.auth_sigra_revoke_users(:'channel');

DROP TRIGGER IF EXISTS auth_sigra_revoke_delete ON :tokens;
CREATE TRIGGER auth_sigra_revoke_delete AFTER DELETE ON :tokens
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION :place.auth_sigra_revoke_tokens(:'channel', :'schema');
DROP TRIGGER IF EXISTS auth_sigra_revoke_update ON :tokens;
CREATE TRIGGER auth_sigra_revoke_update AFTER UPDATE ON :tokens
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION :place.auth_sigra_revoke_tokens(:'channel', :'schema');
DROP TRIGGER IF EXISTS auth_sigra_revoke_truncate ON :tokens;
CREATE TRIGGER auth_sigra_revoke_truncate AFTER TRUNCATE ON :tokens
    FOR EACH STATEMENT EXECUTE FUNCTION :place.auth_sigra_revoke_tokens(:'channel', :'schema');

COMMIT;
