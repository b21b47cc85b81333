-- As Phoenix 1.7 generated it: every user has a password, no session knows when it was authenticated.
\ir phx_gen_auth.sql

ALTER TABLE :users ALTER hashed_password SET NOT NULL;
ALTER TABLE :tokens DROP authenticated_at;
