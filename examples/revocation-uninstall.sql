-- Removes the triggers and functions of revocation.sql from all tables of the database that have them. Run it as their
-- owner, and not while an nginx with a cache still needs them:
--     psql -v ON_ERROR_STOP=1 -f examples/revocation-uninstall.sql "dbname=my_app"
-- It is one statement without psql's commands, so that a migration can execute it too.

DO $auth_sigra$
DECLARE
    gone record;
BEGIN
    FOR gone IN
        SELECT t.tgname AS name, t.tgrelid::pg_catalog.regclass AS relation
        FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
        WHERE t.tgname LIKE 'auth\_sigra\_revoke\_%' AND p.proname LIKE 'auth\_sigra\_revoke%' AND NOT t.tgisinternal
    LOOP
        EXECUTE pg_catalog.format('DROP TRIGGER %I ON %s', gone.name, gone.relation);
    END LOOP;
    FOR gone IN
        SELECT p.oid::pg_catalog.regprocedure AS name FROM pg_catalog.pg_proc p
        WHERE p.proname IN ('auth_sigra_revoke', 'auth_sigra_revoke_watched', 'auth_sigra_revoke_users',
                            'auth_sigra_revoke_tokens')
          AND p.prorettype = 'pg_catalog.trigger'::pg_catalog.regtype
    LOOP
        EXECUTE pg_catalog.format('DROP FUNCTION %s', gone.name);
    END LOOP;
END
$auth_sigra$;
