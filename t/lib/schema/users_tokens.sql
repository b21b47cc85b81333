CREATE TABLE :tokens (
    id :primary_key,
    :"user_key" :id NOT NULL REFERENCES :users ON DELETE CASCADE,
    token bytea NOT NULL,
    context varchar(255) NOT NULL,
    sent_to varchar(255),
    authenticated_at timestamp(0),
    inserted_at timestamp(0) NOT NULL
);
CREATE INDEX ON :tokens (:"user_key");
CREATE UNIQUE INDEX ON :tokens (context, token);
