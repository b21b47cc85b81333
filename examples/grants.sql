-- Gives nginx's role the rights that it needs, and no others:
--     psql -v ON_ERROR_STOP=1 -v role=nginx -v login=on -f examples/grants.sql "dbname=my_app"
-- Run it as the owner of the tables, and again when you switch a feature on or off. It revokes the role's other rights
-- on these tables.
--
--     role=nginx        the role, which must exist: CREATE ROLE nginx LOGIN PASSWORD '…'
--     login=on          logins, log-outs, renewal, reissue; without it only the gate
--     lockout=on        auth_sigra_lockout
--     rehash=on         auth_sigra_password_hash argon2id
--     prune=on          auth_sigra_prune; login=on includes it
--     schema=sigra      as in auth_sigra_schema: sigra, phx_gen_auth, sigra_sessions
--     api_tokens=users_tokens   auth_sigra_bearer, where API tokens have a table of their own, as in sigra_sessions
--     reads=memberships,billing.plans   other tables that conditions and attributes read (auth_sigra_require,
--                       auth_sigra_attribute): the role may read them. A right that it has there already stays
--     users=, tokens=   where the tables have other names; "auth.users" names a schema too
--
-- With login=on the role may also write the column updated_at of the users table, if there is one. nginx never writes
-- it, but PostgreSQL requires the right for locking the row, so that a login waits for a password change that is not yet
-- committed.

\set ON_ERROR_STOP 1
\set QUIET 1

\if :{?role}
\else
    \warn 'say who gets the rights: psql -v role=nginx -f grants.sql'
    -- Ends psql with a status that is not zero.
    SELECT 1/0 AS "no role was given";
\endif
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
    SELECT CASE :'schema' WHEN 'sigra_sessions' THEN 'user_sessions' ELSE 'users_tokens' END AS tokens \gset
\endif
\if :{?api_tokens}
\else
    \set api_tokens :tokens
\endif
\if :{?login}
\else
    \set login off
\endif
\if :{?lockout}
\else
    \set lockout off
\endif
\if :{?rehash}
\else
    \set rehash off
\endif
\if :{?prune}
\else
    \set prune off
\endif
\if :{?reads}
\else
    \set reads ''
\endif

BEGIN;

-- A table that does not exist is an error here, with its name.
SELECT :'users'::regclass AS users, :'tokens'::regclass AS tokens, :'api_tokens'::regclass AS api_tokens \gset

SELECT format('GRANT USAGE ON SCHEMA %I TO %I', n.nspname, :'role')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid IN (:'users'::regclass, :'tokens'::regclass, :'api_tokens'::regclass)
    OR c.oid = ANY (string_to_array(:'reads', ',')::regclass[])
GROUP BY n.nspname
\gexec

REVOKE ALL ON :users, :tokens, :api_tokens FROM :"role";
-- This revokes the rights on columns too, but not the one on a bigserial's sequence.
SELECT format('REVOKE ALL ON SEQUENCE %s FROM %I', pg_get_serial_sequence(:'tokens', 'id')::regclass, :'role')
WHERE pg_get_serial_sequence(:'tokens', 'id') IS NOT NULL
\gexec
GRANT SELECT ON :users, :tokens, :api_tokens TO :"role";

SELECT format('GRANT SELECT ON %s TO %I', name, :'role') FROM unnest(string_to_array(:'reads', ',')::regclass[]) name
\gexec

\if :login
    GRANT INSERT, UPDATE, DELETE ON :tokens TO :"role";
    -- A bigserial's sequence; an identity column needs no right, and Ecto's uuid has no sequence.
    SELECT format('GRANT USAGE ON SEQUENCE %s TO %I', pg_get_serial_sequence(:'tokens', 'id')::regclass, :'role')
    WHERE pg_get_serial_sequence(:'tokens', 'id') IS NOT NULL
    \gexec
    SELECT format('GRANT UPDATE (updated_at) ON %s TO %I', :'users'::regclass, :'role')
    FROM pg_attribute
    WHERE attrelid = :'users'::regclass AND attname = 'updated_at' AND NOT attisdropped
    \gexec
\elif :prune
    -- FOR UPDATE SKIP LOCKED requires the right to update one column.
    GRANT DELETE, UPDATE (inserted_at) ON :tokens TO :"role";
\endif

SELECT format('GRANT UPDATE (last_active_at) ON %s TO %I', :'tokens'::regclass, :'role')
WHERE :'schema' = 'sigra_sessions'
\gexec

\if :lockout
    GRANT UPDATE (failed_login_attempts, locked_at) ON :users TO :"role";
\endif
\if :rehash
    GRANT UPDATE (hashed_password) ON :users TO :"role";
\endif

COMMIT;
