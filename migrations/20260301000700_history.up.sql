-- History: months of calls that have gone to files. Their figures stay, their
-- rows go, and what would change them is refused.

CREATE TABLE tally.history_files (
    user_id         uuid        NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    month_start     timestamptz NOT NULL,
    month_end       timestamptz NOT NULL,
    path            text        NOT NULL,
    calls           bigint      NOT NULL,
    fingerprint_hi  bigint      NOT NULL,
    fingerprint_lo  bigint      NOT NULL,
    written_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, month_start),
    CONSTRAINT history_files_range_check CHECK (month_start < month_end),
    CONSTRAINT history_files_path_check CHECK (path <> ''),
    CONSTRAINT history_files_calls_check CHECK (calls > 0)
);
COMMENT ON TABLE tally.history_files IS 'The file of each month whose calls are gone, and what its calls come to. Of a month that was begun in another zone, the file holds the rest.';

-- ---------------------------------------------------------------------------
-- The ledger outlives the calls that it charged: it keeps their ids, which the
-- files have too. So its foreign key becomes two triggers, which say the same
-- but for calls that have gone to history.
-- ---------------------------------------------------------------------------

ALTER TABLE public.credit_transactions DROP CONSTRAINT credit_transactions_user_id_call_id_fkey;

CREATE FUNCTION tally.check_charged_call() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
BEGIN
    PERFORM FROM public.calls WHERE user_id = NEW.user_id AND id = NEW.call_id FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'ledger entry % charges call %, which does not exist', NEW.id, NEW.call_id
            USING ERRCODE = 'foreign_key_violation', TABLE = 'credit_transactions', SCHEMA = 'public';
    END IF;
    RETURN NULL;
END $$;

-- Whether this transaction is the one that removes calls that are in a file.
CREATE FUNCTION tally.removing_frozen() RETURNS boolean
LANGUAGE sql STABLE AS $$ SELECT coalesce(current_setting('tally.removing_frozen', true), '') = 'on' $$;

CREATE FUNCTION tally.keep_charged_call() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
BEGIN
    IF tally.removing_frozen() AND OLD.started_at < tally.frozen_before(OLD.user_id) THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM public.credit_transactions WHERE user_id = OLD.user_id AND call_id = OLD.id) THEN
        RAISE EXCEPTION 'call % is charged in the ledger', OLD.id
            USING ERRCODE = 'foreign_key_violation', TABLE = 'calls', SCHEMA = 'public';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER credit_transactions_call_inserted AFTER INSERT ON public.credit_transactions
    FOR EACH ROW WHEN (NEW.call_id IS NOT NULL) EXECUTE FUNCTION tally.check_charged_call();
CREATE TRIGGER credit_transactions_call_updated AFTER UPDATE OF user_id, call_id ON public.credit_transactions
    FOR EACH ROW WHEN (NEW.call_id IS NOT NULL) EXECUTE FUNCTION tally.check_charged_call();
CREATE TRIGGER calls_keep_charged AFTER DELETE ON public.calls
    FOR EACH ROW EXECUTE FUNCTION tally.keep_charged_call();

-- ---------------------------------------------------------------------------
-- Frozen calls cannot change. Each trigger first holds the tenants' rows: who
-- freezes locks them FOR UPDATE, so that a change is seen by the freeze (by its
-- mark) or sees it. 23T01 is of the class of constraint violations.
-- ---------------------------------------------------------------------------

CREATE FUNCTION tally.hold_tenants(tenants uuid[]) RETURNS void
LANGUAGE sql AS $$ SELECT FROM public.users WHERE id = ANY (tenants) ORDER BY id FOR KEY SHARE $$;

CREATE FUNCTION tally.refuse_frozen(tenant uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'calls of tenant % before % have gone to history and cannot change', tenant, tally.frozen_before(tenant)
        USING ERRCODE = '23T01';
END $$;

CREATE FUNCTION tally.refuse_frozen_calls() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
DECLARE
    frozen_tenant uuid;
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM tally.hold_tenants(ARRAY(SELECT DISTINCT user_id FROM new_rows));
        SELECT h.user_id INTO frozen_tenant FROM tally.history_horizons h
        WHERE EXISTS (SELECT FROM new_rows n WHERE n.user_id = h.user_id AND n.started_at < h.frozen_before);
    ELSIF TG_OP = 'UPDATE' THEN
        PERFORM tally.hold_tenants(ARRAY(SELECT user_id FROM old_rows UNION SELECT user_id FROM new_rows));
        SELECT h.user_id INTO frozen_tenant FROM tally.history_horizons h
        WHERE EXISTS (SELECT FROM old_rows o WHERE o.user_id = h.user_id AND o.started_at < h.frozen_before)
           OR EXISTS (SELECT FROM new_rows n WHERE n.user_id = h.user_id AND n.started_at < h.frozen_before);
    ELSIF NOT tally.removing_frozen() THEN
        PERFORM tally.hold_tenants(ARRAY(SELECT DISTINCT user_id FROM old_rows));
        -- With the tenant itself everything goes.
        SELECT h.user_id INTO frozen_tenant FROM tally.history_horizons h JOIN public.users u ON u.id = h.user_id
        WHERE EXISTS (SELECT FROM old_rows o WHERE o.user_id = h.user_id AND o.started_at < h.frozen_before);
    END IF;
    IF frozen_tenant IS NOT NULL THEN
        PERFORM tally.refuse_frozen(frozen_tenant);
    END IF;
    RETURN NULL;
END $$;

-- Calls that are removed after they were frozen take their leads along: those
-- have no call any more when this looks.
CREATE FUNCTION tally.refuse_frozen_leads() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
DECLARE
    tenants uuid[];
    changed uuid[];
    frozen_tenant uuid;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(user_id), array_agg(call_id) INTO tenants, changed FROM new_rows;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(user_id), array_agg(call_id) INTO tenants, changed FROM old_rows;
    ELSE
        SELECT array_agg(user_id), array_agg(call_id) INTO tenants, changed
        FROM (SELECT user_id, call_id FROM old_rows UNION SELECT user_id, call_id FROM new_rows) both_sides;
    END IF;
    PERFORM tally.hold_tenants(tenants);
    SELECT h.user_id INTO frozen_tenant
    FROM unnest(tenants, changed) AS k (user_id, call_id)
    JOIN tally.history_horizons h ON h.user_id = k.user_id
    JOIN public.users u ON u.id = k.user_id
    JOIN public.calls c ON c.user_id = k.user_id AND c.id = k.call_id AND c.started_at < h.frozen_before
    LIMIT 1;
    IF frozen_tenant IS NOT NULL THEN
        PERFORM tally.refuse_frozen(frozen_tenant);
    END IF;
    RETURN NULL;
END $$;

-- Triggers of one event go by their names: these before calls_mark_… and leads_mark_….
CREATE TRIGGER calls_frozen_inserted AFTER INSERT ON public.calls
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.refuse_frozen_calls();
CREATE TRIGGER calls_frozen_updated AFTER UPDATE ON public.calls
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.refuse_frozen_calls();
CREATE TRIGGER calls_frozen_deleted AFTER DELETE ON public.calls
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.refuse_frozen_calls();
CREATE TRIGGER leads_frozen_inserted AFTER INSERT ON public.lead_analytics
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.refuse_frozen_leads();
CREATE TRIGGER leads_frozen_updated AFTER UPDATE ON public.lead_analytics
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.refuse_frozen_leads();
CREATE TRIGGER leads_frozen_deleted AFTER DELETE ON public.lead_analytics
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.refuse_frozen_leads();

-- What is frozen has no figure that its removal could change.
CREATE OR REPLACE FUNCTION tally.mark_calls_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
BEGIN
    INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
    SELECT o.user_id, 0, o.bucket_start
    FROM (SELECT DISTINCT user_id, tally.quarter_of(started_at) AS bucket_start FROM old_rows) o
    WHERE EXISTS (SELECT FROM public.users u WHERE u.id = o.user_id) AND o.bucket_start >= tally.frozen_before(o.user_id);
    RETURN NULL;
END $$;

GRANT SELECT, INSERT, UPDATE, DELETE ON tally.history_files TO tallyline_worker;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA tally FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA tally TO tallyline_worker;
