-- Sigra with sessions in a table of their own.
\if :{?tokens}
\else
    \set tokens user_sessions
\endif
\ir variables.sql
\ir sigra_users.sql

CREATE TABLE :tokens (
    id :primary_key,
    :"user_key" :id NOT NULL REFERENCES :users ON DELETE CASCADE,
    hashed_token bytea NOT NULL,
    type varchar(255) NOT NULL DEFAULT 'standard',
    ip varchar(255),
    user_agent text,
    last_active_at timestamp(6) NOT NULL,
    sudo_at timestamp(6),
    inserted_at timestamp(6) NOT NULL
);
CREATE UNIQUE INDEX ON :tokens (hashed_token);
CREATE INDEX ON :tokens (:"user_key", type);
CREATE INDEX ON :tokens (inserted_at);
