-- Installs triggers that tell every nginx at once, by NOTIFY, what is revoked. Run it as the owner of the tables:
--     psql -f examples/revocation.sql "dbname=my_app"
-- Run it again after a change of the settings below, after an upgrade of the module, and when a partition or an
-- inheriting table was added. The settings are given as `-v NAME=VALUE` before `-f`:
--     schema    as in auth_sigra_schema: sigra (default), phx_gen_auth, sigra_sessions
--     users     the users table, written as in SQL: users (default), auth.users, "Users"
--     tokens    the table of sessions: users_tokens; if the schema is sigra_sessions, user_sessions
--     channel   as in auth_sigra_revocation_channel: auth_sigra_revoked
--     contexts  of API tokens, as in auth_sigra_bearer: api-token (default); several with commas between them
--     api_tokens  their table, if it is not `tokens`; in sigra_sessions users_tokens, if it exists
--     ignore    columns of either table whose changes do not matter for sessions: last_seen_at,sign_in_count
--     watch     what auth_sigra_require and auth_sigra_attribute read in other tables: the columns there that hold a
--               user's id, memberships.user_id,billing.plans.owner_id
-- The notifications, which are sent when the transaction commits:
--     64 hex digits   the SHA-256 of the raw token, for a session or an API token that is deleted or changed
--     user:ID         for a user who is deleted or changed, and for the user of a watched row that is added, deleted or
--                     changed
--     *               for a TRUNCATE, and for more than 1,000 of these in one statement
-- Nothing is sent where only these have changed: failed_login_attempts, locked_at and updated_at of a user, because
-- otherwise guessing a password would remove the victim's sessions from the cache; last_active_at, ip, user_agent and
-- updated_at of a session; and the columns in `ignore`. Put a column there that the application writes on each request.
-- revocation-plain.sql is the same for a migration, revocation-uninstall.sql undoes it.

\set ON_ERROR_STOP 1
\if :{?schema}
\else
    \set schema sigra
\endif
\if :{?users}
\else
    \set users users
\endif
\if :{?tokens}
\else
    \set tokens ''
\endif
\if :{?channel}
\else
    \set channel auth_sigra_revoked
\endif
\if :{?contexts}
\else
    \set contexts ''
\endif
\if :{?api_tokens}
\else
    \set api_tokens ''
\endif
\if :{?ignore}
\else
    \set ignore ''
\endif
\if :{?watch}
\else
    \set watch ''
\endif

BEGIN;

SELECT :'channel' <> '' AS auth_sigra_channel_is_fit,
       set_config('auth_sigra.schema', :'schema', true) AS auth_sigra_schema,
       set_config('auth_sigra.users', :'users', true) AS auth_sigra_users,
       set_config('auth_sigra.tokens', :'tokens', true) AS auth_sigra_tokens,
       set_config('auth_sigra.channel', :'channel', true) AS auth_sigra_channel,
       set_config('auth_sigra.contexts', :'contexts', true) AS auth_sigra_contexts,
       set_config('auth_sigra.api_tokens', :'api_tokens', true) AS auth_sigra_api_tokens,
       set_config('auth_sigra.ignore', :'ignore', true) AS auth_sigra_ignore,
       set_config('auth_sigra.watch', :'watch', true) AS auth_sigra_watch
\gset
\if :auth_sigra_channel_is_fit
\else
    DO $$ BEGIN RAISE 'a channel has 1 to 63 bytes'; END $$;
\endif

DO $auth_sigra$
DECLARE
    layout text := coalesce(nullif(current_setting('auth_sigra.schema', true), ''), 'sigra');
    users regclass := coalesce(nullif(current_setting('auth_sigra.users', true), ''), 'users')::regclass;
    tokens regclass := coalesce(
        nullif(current_setting('auth_sigra.tokens', true), ''),
        CASE layout WHEN 'sigra_sessions' THEN 'user_sessions' ELSE 'users_tokens' END)::regclass;
    channel text := coalesce(nullif(current_setting('auth_sigra.channel', true), ''), 'auth_sigra_revoked');
    -- The table of API tokens, if it is not that of the sessions.
    api_tokens regclass;
    contexts text[] := array_remove(regexp_split_to_array(regexp_replace(coalesce(
        nullif(current_setting('auth_sigra.contexts', true), ''), 'api-token'), '\s', '', 'g'), ','), '');
    ignored text[] := regexp_split_to_array(
        regexp_replace(coalesce(current_setting('auth_sigra.ignore', true), ''), '\s', '', 'g'), ',');
    watched text[] := regexp_split_to_array(
        regexp_replace(coalesce(current_setting('auth_sigra.watch', true), ''), '\s', '', 'g'), ',');
    watched_tables regclass[] := '{}';
    watched_columns name[] := '{}';
    said_before text := current_setting('search_path');
    place text;
    told record;
    trigger_name text;
    arguments text;
BEGIN
    api_tokens := CASE
        WHEN coalesce(current_setting('auth_sigra.api_tokens', true), '') <> ''
            THEN current_setting('auth_sigra.api_tokens', true)::regclass
        WHEN layout = 'sigra_sessions' THEN (
            SELECT to_regclass(quote_ident(n.nspname) || '.users_tokens')
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = users)
    END;
    FOR told IN
        SELECT parse_ident(w.said) AS parts, cardinality(parse_ident(w.said)) AS count
        FROM unnest(array_remove(watched, '')) w (said)
    LOOP
        IF told.count < 2 THEN
            RAISE 'what is watched is a column of a table, "memberships.user_id", not "%"', told.parts[1];
        END IF;
        watched_tables := watched_tables || (
            SELECT string_agg(quote_ident(p.part), '.' ORDER BY p.at)::regclass
            FROM unnest(told.parts[:told.count - 1]) WITH ORDINALITY p (part, at));
        watched_columns := watched_columns || told.parts[told.count]::name;
    END LOOP;
    PERFORM set_config('search_path', 'pg_catalog, pg_temp', true);
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = api_tokens AND attname = 'context') THEN
        IF coalesce(current_setting('auth_sigra.api_tokens', true), '') <> '' THEN
            RAISE 'the table "%" has no column "context": it holds no API tokens', api_tokens;
        END IF;
        api_tokens := NULL;
    END IF;
    ignored := array_remove(ignored, '');
    IF layout NOT IN ('sigra', 'phx_gen_auth', 'sigra_sessions') THEN
        RAISE 'schema is sigra, phx_gen_auth or sigra_sessions, not "%"', layout;
    END IF;
    IF octet_length(channel) > 63 THEN
        RAISE 'a channel has 1 to 63 bytes';
    END IF;
    FOR told IN SELECT i.name FROM unnest(ignored) i (name) LOOP
        IF told.name IN ('id', 'email', 'hashed_password', 'token', 'hashed_token', 'context', 'type', 'inserted_at',
                         'authenticated_at', 'sudo_at', 'sent_to') THEN
            RAISE 'nginx reads the column "%": a change of it cannot be ignored', told.name;
        END IF;
        IF NOT EXISTS (SELECT FROM pg_attribute
                       WHERE (attrelid IN (users, tokens, api_tokens) OR attrelid = ANY (watched_tables)) AND attname = told.name) THEN
            RAISE 'neither table has a column "%" that could be ignored', told.name;
        END IF;
    END LOOP;

    -- The function is in the schema of the users table. It reads the columns from the catalog each time, so that a
    -- column that is added later counts, and compares their bytes, because not every type has an operator for it.
    -- Whatever goes wrong, the statement of the application succeeds, and every session is looked up again.
    SELECT quote_ident(n.nspname) INTO place
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = users;
    EXECUTE 'CREATE OR REPLACE FUNCTION ' || place || $function$.auth_sigra_revoke() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    payload constant text := CASE TG_ARGV[1]
        WHEN 'users' THEN $$'user:' || o.id::text$$
        WHEN 'sigra' THEN $$encode(o.token, 'hex')$$
        WHEN 'phx_gen_auth'
            THEN $$encode(CASE o.context WHEN 'session' THEN sha256(o.token) ELSE o.token END, 'hex')$$
        WHEN 'api_tokens' THEN $$encode(o.token, 'hex')$$
        WHEN 'sigra_sessions' THEN $$encode(o.hashed_token, 'hex')$$
    END;
    source text := CASE TG_LEVEL WHEN 'ROW' THEN '(SELECT ($1).*) o' ELSE 'old_rows o' END;
    condition text := CASE WHEN TG_ARGV[1] IN ('sigra', 'phx_gen_auth', 'api_tokens')
        -- A trigger from before there were API tokens has no contexts.
        THEN format('o.context = ANY (%L::text[])', coalesce(nullif(TG_ARGV[3:], '{}'), '{session}'))
        ELSE 'true'
    END;
    payloads text[] := '{*}';
BEGIN
    IF TG_OP = 'UPDATE' THEN
        source := source || CASE TG_LEVEL
            WHEN 'ROW' THEN ' CROSS JOIN (SELECT ($2).*) n'
            ELSE ' LEFT JOIN new_rows n ON n.id = o.id'
        END;
        SELECT format('%s AND ROW(%s)::record *<> ROW(%s)::record', condition,
                      string_agg(format('o.%I', attname), ', '), string_agg(format('n.%I', attname), ', '))
        INTO condition
        FROM pg_attribute
        WHERE attrelid = TG_RELID AND attnum > 0 AND NOT attisdropped AND attname <> ALL (TG_ARGV[2]::name[]);
    END IF;
    IF TG_OP <> 'TRUNCATE' THEN
        EXECUTE format('SELECT ARRAY(SELECT %s FROM %s WHERE %s LIMIT 1001)', payload, source, condition)
        INTO payloads USING OLD, NEW;
    END IF;
    IF cardinality(payloads) > 1000 THEN
        payloads := '{*}';
    END IF;
    PERFORM pg_notify(TG_ARGV[0], revoked.payload) FROM unnest(payloads) AS revoked (payload);
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    PERFORM pg_notify(TG_ARGV[0], '*');
    RETURN NULL;
END
$body$ $function$;

    -- Each inheriting table and each partition has triggers of its own, because a statement may name it, even after it
    -- was detached. Statement triggers fire whatever the session's replication role is. Changes that a subscription
    -- applies fire row triggers only, so there is one. nginx looks for these names and arguments.
    FOR told IN
        WITH RECURSIVE tree (relation, what) AS (
            SELECT users::oid, 'users' UNION SELECT tokens::oid, layout
            UNION SELECT api_tokens::oid, 'api_tokens' WHERE api_tokens IS NOT NULL AND api_tokens <> tokens
            UNION
            SELECT i.inhrelid, t.what FROM tree t JOIN pg_inherits i ON i.inhparent = t.relation
        )
        SELECT t.relation::regclass AS relation, t.what, c.relkind,
               CASE t.what
                   WHEN 'users' THEN '{failed_login_attempts,locked_at,updated_at}'::text[]
                   ELSE '{last_active_at,ip,user_agent,updated_at}'
               END || ignored AS ignored,
               CASE
                   WHEN t.what = 'api_tokens' THEN contexts
                   WHEN t.what IN ('sigra', 'phx_gen_auth') THEN '{session}' || contexts
                   ELSE '{}'
               END AS contexts
        FROM tree t JOIN pg_class c ON c.oid = t.relation
        WHERE c.relkind IN ('r', 'p')
    LOOP
        FOR trigger_name IN
            SELECT tgname FROM pg_trigger
            WHERE tgrelid = told.relation AND tgname LIKE 'auth\_sigra\_revoke\_%' AND NOT tgisinternal
        LOOP
            EXECUTE format('DROP TRIGGER %I ON %s', trigger_name, told.relation);
        END LOOP;
        arguments := format('EXECUTE FUNCTION %s.auth_sigra_revoke(%L, %L, %L%s)', place, channel, told.what,
                            told.ignored::text,
                            (SELECT string_agg(format(', %L', c.name), '') FROM unnest(told.contexts) c (name)));
        -- PostgreSQL does not allow transition tables in a trigger for several events.
        EXECUTE format('CREATE TRIGGER auth_sigra_revoke_delete AFTER DELETE ON %s'
                       ' REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT %s', told.relation, arguments);
        EXECUTE format('CREATE TRIGGER auth_sigra_revoke_update AFTER UPDATE ON %s'
                       ' REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT %s',
                       told.relation, arguments);
        EXECUTE format('CREATE TRIGGER auth_sigra_revoke_truncate AFTER TRUNCATE ON %s FOR EACH STATEMENT %s',
                       told.relation, arguments);
        EXECUTE format('ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER auth_sigra_revoke_delete,'
                       ' ENABLE ALWAYS TRIGGER auth_sigra_revoke_update,'
                       ' ENABLE ALWAYS TRIGGER auth_sigra_revoke_truncate', told.relation);
        IF told.relkind = 'r' THEN
            EXECUTE format('CREATE TRIGGER auth_sigra_revoke_replica AFTER DELETE OR UPDATE ON %s FOR EACH ROW %s',
                           told.relation, arguments);
            EXECUTE format('ALTER TABLE ONLY %s ENABLE REPLICA TRIGGER auth_sigra_revoke_replica', told.relation);
        END IF;
    END LOOP;

    -- The tables that conditions and attributes read beside the users table. Their rows need not have a key, so changed
    -- rows are found by comparing them as a whole. The function's third argument is the users table that they are
    -- watched for.
    IF cardinality(watched_tables) > 0 THEN
        EXECUTE 'CREATE OR REPLACE FUNCTION ' || place || $function$.auth_sigra_revoke_watched() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    ids text;
    compared text;
    changed text;
    payloads text[] := '{*}';
BEGIN
    SELECT string_agg(format('r.%I::text', c.name), ', ') INTO ids FROM unnest(TG_ARGV[3]::name[]) c (name);
    SELECT string_agg(format('r.%I', attname), ', ') INTO compared
    FROM pg_attribute
    WHERE attrelid = TG_RELID AND attnum > 0 AND NOT attisdropped AND attname <> ALL (TG_ARGV[4]::name[]);
    ids := format('SELECT ARRAY[%s] AS ids, ROW(%s)::text AS told FROM ', ids, compared);
    changed := CASE TG_OP
        WHEN 'INSERT' THEN ids || CASE TG_LEVEL WHEN 'ROW' THEN '(SELECT ($2).*) r' ELSE 'new_rows r' END
        WHEN 'DELETE' THEN ids || CASE TG_LEVEL WHEN 'ROW' THEN '(SELECT ($1).*) r' ELSE 'old_rows r' END
        WHEN 'UPDATE' THEN format(
            'WITH o AS (%s), n AS (%s) (TABLE o EXCEPT ALL TABLE n) UNION ALL (TABLE n EXCEPT ALL TABLE o)',
            ids || CASE TG_LEVEL WHEN 'ROW' THEN '(SELECT ($1).*) r' ELSE 'old_rows r' END,
            ids || CASE TG_LEVEL WHEN 'ROW' THEN '(SELECT ($2).*) r' ELSE 'new_rows r' END)
    END;
    IF TG_OP <> 'TRUNCATE' THEN
        EXECUTE format('SELECT ARRAY(SELECT DISTINCT $$user:$$ || i.id FROM (%s) c, unnest(c.ids) i (id)'
                       ' WHERE i.id IS NOT NULL LIMIT 1001)', changed)
        INTO payloads USING OLD, NEW;
    END IF;
    IF cardinality(payloads) > 1000 THEN
        payloads := '{*}';
    END IF;
    PERFORM pg_notify(TG_ARGV[0], revoked.payload) FROM unnest(payloads) AS revoked (payload);
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    PERFORM pg_notify(TG_ARGV[0], '*');
    RETURN NULL;
END
$body$ $function$;
    END IF;

    FOR told IN
        SELECT t.tgname AS name, t.tgrelid::regclass AS relation
        FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE p.proname = 'auth_sigra_revoke_watched'
          AND (string_to_array(encode(t.tgargs, 'escape'), '\000'))[3] = users::text
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', told.name, told.relation);
    END LOOP;
    FOR told IN
        WITH RECURSIVE tree (relation, name) AS (
            SELECT w.relation::oid, w.name FROM unnest(watched_tables, watched_columns) w (relation, name)
            UNION
            SELECT i.inhrelid, t.name FROM tree t JOIN pg_inherits i ON i.inhparent = t.relation
        )
        SELECT t.relation::regclass AS relation, c.relkind, array_agg(t.name) AS names,
               array_agg(t.name) FILTER (WHERE a.attname IS NULL) AS missing
        FROM tree t JOIN pg_class c ON c.oid = t.relation
        LEFT JOIN pg_attribute a ON a.attrelid = t.relation AND a.attname = t.name AND NOT a.attisdropped
        GROUP BY t.relation, c.relkind
    LOOP
        IF told.missing IS NOT NULL THEN
            RAISE 'relation % has no column "%" that could be watched', told.relation, told.missing[1];
        END IF;
        IF told.relkind NOT IN ('r', 'p') THEN
            RAISE 'relation % is no table and has no triggers: watch what it is made of', told.relation;
        END IF;
        arguments := format('EXECUTE FUNCTION %s.auth_sigra_revoke_watched(%L, %L, %L, %L, %L)', place, channel,
                            'watched', users, told.names::text, ('{updated_at}'::text[] || ignored)::text);
        EXECUTE format('CREATE TRIGGER auth_sigra_revoke_watched_insert AFTER INSERT ON %s'
                       ' REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT %s', told.relation, arguments);
        EXECUTE format('CREATE TRIGGER auth_sigra_revoke_watched_delete AFTER DELETE ON %s'
                       ' REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT %s', told.relation, arguments);
        EXECUTE format('CREATE TRIGGER auth_sigra_revoke_watched_update AFTER UPDATE ON %s'
                       ' REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT %s',
                       told.relation, arguments);
        EXECUTE format('CREATE TRIGGER auth_sigra_revoke_watched_truncate AFTER TRUNCATE ON %s FOR EACH STATEMENT %s',
                       told.relation, arguments);
        EXECUTE format('ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER auth_sigra_revoke_watched_insert,'
                       ' ENABLE ALWAYS TRIGGER auth_sigra_revoke_watched_delete,'
                       ' ENABLE ALWAYS TRIGGER auth_sigra_revoke_watched_update,'
                       ' ENABLE ALWAYS TRIGGER auth_sigra_revoke_watched_truncate', told.relation);
        IF told.relkind = 'r' THEN
            EXECUTE format('CREATE TRIGGER auth_sigra_revoke_watched_replica AFTER INSERT OR DELETE OR UPDATE ON %s'
                           ' FOR EACH ROW %s', told.relation, arguments);
            EXECUTE format('ALTER TABLE ONLY %s ENABLE REPLICA TRIGGER auth_sigra_revoke_watched_replica',
                           told.relation);
        END IF;
    END LOOP;
    PERFORM set_config('search_path', said_before, true);
END
$auth_sigra$;

COMMIT;
