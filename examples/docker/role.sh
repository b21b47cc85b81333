#!/bin/bash
# Runs once, when PostgreSQL's image creates its data: creates nginx's role,
# with the rights for a gate and logins and no others.
set -euo pipefail

psql -v ON_ERROR_STOP=1 -U postgres -d "$POSTGRES_DB" <<'END'
\set password `cat /run/secrets/nginx`
CREATE ROLE nginx LOGIN PASSWORD :'password';
END
psql -v ON_ERROR_STOP=1 -U postgres -d "$POSTGRES_DB" \
    -v role=nginx -v login=on -v lockout=on -f /grants.sql
