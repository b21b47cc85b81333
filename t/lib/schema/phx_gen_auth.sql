-- As Phoenix 1.8 generates it.
\ir variables.sql

CREATE TABLE :users (
    id :primary_key,
    email citext NOT NULL,
    hashed_password varchar(255),
    confirmed_at timestamp(0),
    inserted_at timestamp(0) NOT NULL,
    updated_at timestamp(0) NOT NULL
);
CREATE UNIQUE INDEX ON :users (email);

\ir users_tokens.sql
