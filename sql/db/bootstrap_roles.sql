-- Creates the roles of Tallyline that are missing and grants them this database; returns nothing.
--
-- Run it in Tallyline's database, as a superuser or as an owner of the database
-- who may create roles; running it again changes nothing. By hand, to let the
-- account `app` log in:
--   PGOPTIONS='-c tallyline.login_role=app' psql -f sql/db/bootstrap_roles.sql
-- `tallyline.login_password` is set only when that account is to be created.
DO $bootstrap$
DECLARE
    login_role     CONSTANT text := nullif(current_setting('tallyline.login_role', true), '');
    login_password CONSTANT text := nullif(current_setting('tallyline.login_password', true), '');
    group_roles    CONSTANT text[] := ARRAY['tallyline_owner', 'tallyline_worker', 'tallyline_api'];
    -- From 16 on, who creates a role becomes a member that may not SET ROLE to it.
    may_set_role   CONSTANT text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END;
    group_role     text;
BEGIN
    -- Roles belong to the whole server, so runs in other databases race with
    -- this one, and no lock spans databases: who loses fails and runs it again.
    FOREACH group_role IN ARRAY group_roles LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = group_role) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', group_role);
        END IF;
    END LOOP;

    IF login_role IS NOT NULL THEN
        -- NOINHERIT: without SET ROLE the account can do nothing.
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = login_role) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOINHERIT PASSWORD %L', login_role, login_password);
        END IF;
        FOREACH group_role IN ARRAY group_roles LOOP
            IF NOT pg_has_role(login_role, group_role, may_set_role) THEN
                EXECUTE format('GRANT %I TO %I', group_role, login_role);
            END IF;
        END LOOP;
    END IF;

    -- To see who keeps the queue's dead rows from being vacuumed away, whatever
    -- account that is. Without this right only our own sessions are seen; where
    -- this session may not grant it, that is how it stays.
    IF NOT pg_has_role('tallyline_worker', 'pg_read_all_stats', 'USAGE') THEN
        BEGIN
            GRANT pg_read_all_stats TO tallyline_worker;
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END IF;

    -- Two runs in this database would update the same catalogue rows.
    PERFORM pg_advisory_xact_lock(hashtext('tallyline bootstrap'));
    IF NOT has_database_privilege('tallyline_owner', current_database(), 'CREATE') THEN
        EXECUTE format('GRANT CREATE ON DATABASE %I TO tallyline_owner', current_database());
    END IF;
    IF NOT has_schema_privilege('tallyline_owner', 'public', 'USAGE')
       OR NOT has_schema_privilege('tallyline_owner', 'public', 'CREATE') THEN
        GRANT USAGE, CREATE ON SCHEMA public TO tallyline_owner;
    END IF;
    IF has_schema_privilege('public', 'public', 'CREATE') THEN
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    END IF;
END $bootstrap$;
