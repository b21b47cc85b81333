-- What psql -v may say of a test schema, and what follows from it: id (bigint, uuid), users, tokens (either
-- with a schema before it), singular.
\set ON_ERROR_STOP 1
SET client_min_messages = warning;

\if :{?id}
\else
    \set id bigint
\endif
\if :{?users}
\else
    \set users users
\endif
\if :{?tokens}
\else
    \set tokens users_tokens
\endif
\if :{?singular}
\else
    \set singular user
\endif

SELECT :'singular' || '_id' AS user_key,
       -- Ecto fills a uuid itself: the column has no default.
       CASE :'id' WHEN 'uuid' THEN 'uuid PRIMARY KEY' ELSE 'bigserial PRIMARY KEY' END AS primary_key
\gset

SELECT format('CREATE SCHEMA IF NOT EXISTS %s', split_part(name, '.', 1))
FROM (VALUES (:'users'), (:'tokens')) AS names (name)
WHERE name LIKE '%.%'
\gexec

CREATE EXTENSION IF NOT EXISTS citext;
