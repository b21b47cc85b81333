CREATE TABLE :users (
    id :primary_key,
    email citext NOT NULL,
    hashed_password varchar(255),
    confirmed_at timestamp(0),
    failed_login_attempts integer NOT NULL DEFAULT 0,
    locked_at timestamp(0),
    deleted_at timestamp(0),
    inserted_at timestamp(0) NOT NULL,
    updated_at timestamp(0) NOT NULL
);
CREATE UNIQUE INDEX ON :users (email) WHERE deleted_at IS NULL;
