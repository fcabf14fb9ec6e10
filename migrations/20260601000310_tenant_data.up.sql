-- Everything that is kept of one tenant: to give it away, and to forget it. The
-- tables are those of the catalogue, so that one added later is among them.

-- A row belongs to the tenant that its column user_id (or tenant) names.
CREATE FUNCTION tally.tenant_tables() RETURNS TABLE (table_name text, tenant_column text)
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT format('%I.%I', n.nspname, c.relname), a.attname::text
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname IN ('user_id', 'tenant') AND a.atttypid = 'uuid'::regtype
    WHERE n.nspname IN ('public', 'tally') AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    UNION ALL SELECT 'public.users', 'id'
    ORDER BY 1
$$;

-- The tenant's rows of one of these tables, without what only proves who somebody is.
CREATE FUNCTION tally.export_rows(tenant uuid, from_table text) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, tally AS $$
DECLARE
    tenant_column text;
BEGIN
    SELECT t.tenant_column INTO STRICT tenant_column FROM tally.tenant_tables() t WHERE t.table_name = from_table;
    RETURN QUERY EXECUTE format(
        'SELECT to_jsonb(r) - ARRAY[''password_hash'', ''password_reset_token'', ''email_verification_token'', ''token_hash'',
             ''refresh_token_hash'', ''secret_sha256'', ''previous_secret_sha256'', ''sealed_key'', ''previous_sealed_key'', ''sealed_api_key'']
         FROM %s r WHERE r.%I = $1', from_table, tenant_column) USING tenant;
END $$;

-- Removes everything of a tenant; returns how many rows of which table. What
-- others do at the same time is not left over: who adds to the tenant's own
-- tables waits for its row and finds it gone, and the inbox takes nothing of a
-- tenant that is not there.
CREATE FUNCTION tally.erase_tenant(tenant uuid) RETURNS TABLE (table_name text, erased bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, tally AS $$
DECLARE
    t record;
    addresses text[];
    n bigint;
    rows jsonb := '{}';
BEGIN
    PERFORM FROM tally.lanes l WHERE l.user_id = tenant FOR UPDATE;
    PERFORM FROM public.users u WHERE u.id = tenant FOR UPDATE;
    SELECT array_agg(lower(u.email)) INTO addresses FROM public.users u WHERE u.id = tenant;
    -- Counted before: the tenant's row takes most of them along.
    FOR t IN SELECT * FROM tally.tenant_tables() LOOP
        EXECUTE format('SELECT count(*) FROM %s r WHERE r.%I = $1', t.table_name, t.tenant_column) INTO n USING tenant;
        rows := rows || jsonb_build_object(t.table_name, n);
    END LOOP;
    DELETE FROM public.users u WHERE u.id = tenant;
    -- Webhooks on their way are in before this goes on, or find the tenant gone.
    LOCK TABLE tally.inbox IN SHARE ROW EXCLUSIVE MODE;
    FOR t IN SELECT * FROM tally.tenant_tables() LOOP
        EXECUTE format('DELETE FROM %s r WHERE r.%I = $1', t.table_name, t.tenant_column) USING tenant;
    END LOOP;

    -- What names the tenant otherwise. The trail keeps what was done and when.
    DELETE FROM public.login_attempts a WHERE lower(a.email) = ANY (addresses);
    GET DIAGNOSTICS n = ROW_COUNT;
    rows := rows || jsonb_build_object('public.login_attempts', n);
    DELETE FROM public.password_reset_attempts a WHERE lower(a.email) = ANY (addresses);
    GET DIAGNOSTICS n = ROW_COUNT;
    rows := rows || jsonb_build_object('public.password_reset_attempts', n);
    UPDATE public.phone_numbers p SET assigned_to_user_id = NULL, assigned_to_agent_id = NULL WHERE p.assigned_to_user_id = tenant;
    GET DIAGNOSTICS n = ROW_COUNT;
    rows := rows || jsonb_build_object('public.phone_numbers', n);
    UPDATE public.admin_audit_log l SET details = '{}', ip_address = NULL, user_agent = NULL
    WHERE tenant IN (l.target_user_id, l.admin_user_id)
      AND (l.details <> '{}' OR l.ip_address IS NOT NULL OR l.user_agent IS NOT NULL) AND l.action <> 'tenant.erase';
    GET DIAGNOSTICS n = ROW_COUNT;
    rows := rows || jsonb_build_object('public.admin_audit_log', n);
    RETURN QUERY SELECT e.key, e.value::bigint FROM jsonb_each_text(rows) e WHERE e.value <> '0' ORDER BY e.key;
END $$;

REVOKE EXECUTE ON FUNCTION tally.tenant_tables(), tally.export_rows(uuid, text), tally.erase_tenant(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tally.tenant_tables(), tally.export_rows(uuid, text), tally.erase_tenant(uuid) TO tallyline_worker;
