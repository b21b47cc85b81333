-- Creates the tables of the layout `sigra` in a database that has none yet:
--     psql -v ON_ERROR_STOP=1 -f examples/schema.sql "dbname=my_app"
-- With `-v schema=sigra_sessions` before `-f`, sessions are in a table of their own, user_sessions, which also has the
-- users who wait for a second factor. It can be run again: what exists stays as it is. Columns and names are those of a
-- Phoenix application's migration, so that an application can use this database later. grants.sql gives nginx's role
-- its rights, sigra-user adds users:
--     sigra-user --dsn dbname=my_app add a@example.com

\if :{?schema}
\else
    \set schema sigra
\endif
SELECT :'schema' = 'sigra_sessions' AS sessions \gset

BEGIN;

CREATE EXTENSION IF NOT EXISTS citext;

CREATE TABLE IF NOT EXISTS users (
    id bigserial PRIMARY KEY,
    email citext NOT NULL,
    hashed_password varchar(255),
    confirmed_at timestamp(0),
    failed_login_attempts integer NOT NULL DEFAULT 0,
    locked_at timestamp(0),
    deleted_at timestamp(0),
    inserted_at timestamp(0) NOT NULL DEFAULT date_trunc('second', now() AT TIME ZONE 'utc'),
    updated_at timestamp(0) NOT NULL DEFAULT date_trunc('second', now() AT TIME ZONE 'utc')
);

-- An email can be used again once its user is deleted.
CREATE UNIQUE INDEX IF NOT EXISTS users_email_active_index ON users (email) WHERE deleted_at IS NULL;
-- Without where= in auth_sigra_schema a login also looks for deleted users, which the index above does not have.
CREATE INDEX IF NOT EXISTS users_email_index ON users (email);

\if :sessions

CREATE TABLE IF NOT EXISTS user_sessions (
    id bigserial PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    hashed_token bytea NOT NULL,
    type varchar(255) NOT NULL DEFAULT 'standard',
    ip varchar(255),
    user_agent text,
    last_active_at timestamp(6) NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    sudo_at timestamp(6),
    inserted_at timestamp(6) NOT NULL DEFAULT (now() AT TIME ZONE 'utc')
);

CREATE UNIQUE INDEX IF NOT EXISTS user_sessions_hashed_token_index ON user_sessions (hashed_token);
CREATE INDEX IF NOT EXISTS user_sessions_user_id_type_index ON user_sessions (user_id, type);

\else

CREATE TABLE IF NOT EXISTS users_tokens (
    id bigserial PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    token bytea NOT NULL,
    context varchar(255) NOT NULL,
    sent_to varchar(255),
    authenticated_at timestamp(0),
    inserted_at timestamp(0) NOT NULL DEFAULT date_trunc('second', now() AT TIME ZONE 'utc')
);

CREATE INDEX IF NOT EXISTS users_tokens_user_id_index ON users_tokens (user_id);
CREATE UNIQUE INDEX IF NOT EXISTS users_tokens_context_token_index ON users_tokens (context, token);

\endif

COMMIT;
