\ir variables.sql
\ir sigra_users.sql
\ir users_tokens.sql
