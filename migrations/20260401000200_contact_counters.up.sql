-- Counters of contacts that are a sum over their calls, whatever happens to those.
--
-- Each call carries what it adds to its contact; one trigger a statement moves the
-- difference between old and new rows to the contacts. Nothing is ever counted at
-- an event, so redelivery, order, another contact, absorption and deletion need no
-- cases of their own. Calls that go to history leave their part in a sum.

ALTER TABLE public.calls
    ADD COLUMN busy_dials       smallint NOT NULL DEFAULT 0,
    ADD COLUMN no_answer_dials  smallint NOT NULL DEFAULT 0,
    ADD COLUMN failed_dials     smallint NOT NULL DEFAULT 0,
    ADD COLUMN unanswered_sids  smallint NOT NULL DEFAULT 0,
    ADD CONSTRAINT calls_dials_check
        CHECK (busy_dials >= 0 AND no_answer_dials >= 0 AND failed_dials >= 0 AND unanswered_sids >= 0);
COMMENT ON COLUMN public.calls.busy_dials IS 'Attempts of the call that came to this outcome; the same for no_answer_dials and failed_dials.';
COMMENT ON COLUMN public.calls.unanswered_sids IS 'CallSids of the call that Twilio itself reported busy, no-answer, failed or canceled.';

ALTER TABLE public.contacts
    ADD COLUMN call_attempted_busy      integer NOT NULL DEFAULT 0,
    ADD COLUMN call_attempted_no_answer integer NOT NULL DEFAULT 0,
    ADD COLUMN call_attempted_failed    integer NOT NULL DEFAULT 0,
    ADD COLUMN last_contact_at          timestamptz,
    ADD CONSTRAINT contacts_attempted_check
        CHECK (call_attempted_busy >= 0 AND call_attempted_no_answer >= 0 AND call_attempted_failed >= 0);
COMMENT ON COLUMN public.contacts.not_connected IS 'Sum of unanswered_sids over the contact''s calls, those in history included.';
COMMENT ON COLUMN public.contacts.call_attempted_busy IS 'Sum of busy_dials over the contact''s calls, those in history included; the same for call_attempted_no_answer and call_attempted_failed.';
COMMENT ON COLUMN public.contacts.last_contact_at IS 'started_at of the latest call, those in history included.';

-- What the calls in history come to, for each contact.
CREATE TABLE tally.contact_archive (
    user_id             uuid        NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    contact_id          uuid        NOT NULL,
    total_calls         bigint      NOT NULL DEFAULT 0,
    answered_calls      bigint      NOT NULL DEFAULT 0,
    talk_seconds        bigint      NOT NULL DEFAULT 0,
    total_minutes       bigint      NOT NULL DEFAULT 0,
    credits_micros      bigint      NOT NULL DEFAULT 0,
    cost_micros         bigint      NOT NULL DEFAULT 0,
    leads               bigint      NOT NULL DEFAULT 0,
    busy_dials          integer     NOT NULL DEFAULT 0,
    no_answer_dials     integer     NOT NULL DEFAULT 0,
    failed_dials        integer     NOT NULL DEFAULT 0,
    unanswered_sids     integer     NOT NULL DEFAULT 0,
    first_call_at       timestamptz,
    last_call_at        timestamptz,
    PRIMARY KEY (user_id, contact_id),
    FOREIGN KEY (user_id, contact_id) REFERENCES public.contacts (user_id, id) ON DELETE CASCADE,
    CONSTRAINT contact_archive_sums_check CHECK (
        total_calls >= answered_calls AND answered_calls >= 0 AND talk_seconds >= 0 AND total_minutes >= 0 AND credits_micros >= 0
        AND cost_micros >= 0 AND leads >= 0 AND busy_dials >= 0 AND no_answer_dials >= 0 AND failed_dials >= 0 AND unanswered_sids >= 0),
    CONSTRAINT contact_archive_times_check CHECK (first_call_at <= last_call_at)
);
COMMENT ON TABLE tally.contact_archive IS 'Sums over the calls of a contact that archive_calls has removed, added to in the transaction that removes them.';

-- The latest call of a contact is looked up, not searched for.
DROP INDEX public.calls_contact_idx;
CREATE INDEX calls_contact_idx ON public.calls (user_id, contact_id, started_at) WHERE contact_id IS NOT NULL;

-- ---------------------------------------------------------------------------
-- What there is so far, before anything watches.
-- ---------------------------------------------------------------------------

UPDATE public.calls c
SET busy_dials = d.busy, no_answer_dials = d.no_answer, failed_dials = d.failed, unanswered_sids = d.unanswered
FROM (
    SELECT user_id, call_id, sum(busy)::smallint AS busy, sum(no_answer)::smallint AS no_answer, sum(failed)::smallint AS failed,
           sum(unanswered)::smallint AS unanswered
    FROM (
        SELECT user_id, call_id, count(*) FILTER (WHERE outcome = 'busy') AS busy, count(*) FILTER (WHERE outcome = 'no_answer') AS no_answer,
               count(*) FILTER (WHERE outcome = 'failed') AS failed, 0 AS unanswered
        FROM tally.call_attempts GROUP BY 1, 2
        UNION ALL
        SELECT user_id, call_id, 0, 0, 0, count(DISTINCT facts ->> 'call_sid')
        FROM tally.call_events
        WHERE provider = 'twilio' AND facts ->> 'status' IN ('busy', 'no-answer', 'failed', 'canceled')
        GROUP BY 1, 2
    ) sources
    GROUP BY 1, 2
) d
WHERE c.user_id = d.user_id AND c.id = d.call_id AND c.started_at >= tally.frozen_before(c.user_id)
  AND (d.busy, d.no_answer, d.failed, d.unanswered) <> (0, 0, 0, 0);

-- Unanswered calls that have gone to history before there was a sum: the ledger of CallSids still has them.
INSERT INTO tally.contact_archive (user_id, contact_id, unanswered_sids)
SELECT t.user_id, t.contact_id, count(*)
FROM public.twilio_processed_calls t
WHERE t.contact_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM tally.call_aliases a WHERE a.user_id = t.user_id AND a.call_sid = t.twilio_call_sid)
GROUP BY 1, 2;

-- ---------------------------------------------------------------------------
-- From calls to contacts.
-- ---------------------------------------------------------------------------

-- Sets contacts to what their calls come to; returns how many were not. Of all tenants without one.
CREATE FUNCTION tally.recount_contacts(tenant uuid DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
DECLARE
    corrected bigint;
BEGIN
    -- Nobody changes a call of these contacts until this ends: a new call holds its contact.
    PERFORM FROM public.contacts WHERE tenant IS NULL OR user_id = tenant ORDER BY user_id, phone_number, id FOR UPDATE;
    UPDATE public.contacts k
    SET call_attempted_busy = s.busy, call_attempted_no_answer = s.no_answer, call_attempted_failed = s.failed,
        not_connected = s.unanswered, last_contact_at = s.last_call_at
    FROM (
        SELECT x.user_id, x.contact_id, sum(x.busy)::integer AS busy, sum(x.no_answer)::integer AS no_answer,
               sum(x.failed)::integer AS failed, sum(x.unanswered)::integer AS unanswered, max(x.last_call_at) AS last_call_at
        FROM (
            SELECT user_id, id AS contact_id, 0 AS busy, 0 AS no_answer, 0 AS failed, 0 AS unanswered, NULL::timestamptz AS last_call_at
            FROM public.contacts
            UNION ALL
            SELECT user_id, contact_id, busy_dials, no_answer_dials, failed_dials, unanswered_sids, started_at
            FROM public.calls WHERE contact_id IS NOT NULL
            UNION ALL
            SELECT user_id, contact_id, busy_dials, no_answer_dials, failed_dials, unanswered_sids, last_call_at FROM tally.contact_archive
        ) x
        WHERE tenant IS NULL OR x.user_id = tenant
        GROUP BY 1, 2
    ) s
    WHERE k.user_id = s.user_id AND k.id = s.contact_id
      AND (k.call_attempted_busy, k.call_attempted_no_answer, k.call_attempted_failed, k.not_connected, k.last_contact_at)
          IS DISTINCT FROM (s.busy, s.no_answer, s.failed, s.unanswered, s.last_call_at);
    GET DIAGNOSTICS corrected = ROW_COUNT;
    UPDATE public.customers c SET last_interaction_date = k.last_contact_at
    FROM public.contacts k
    WHERE (tenant IS NULL OR c.user_id = tenant) AND k.user_id = c.user_id AND k.id = c.contact_id
      AND c.last_interaction_date IS DISTINCT FROM k.last_contact_at;
    RETURN corrected;
END $$;
COMMENT ON FUNCTION tally.recount_contacts IS 'Repairs what verify found to differ; holds the tenant''s contacts while it runs.';
SELECT tally.recount_contacts();

-- Adds differences to contacts, one for each. last_before and last_after are the latest started_at among the changed calls of
-- the contact, as they were and as they are (null: there is none). Contacts that do not change are not written.
CREATE FUNCTION tally.move_contacts(tenants uuid[], contacts uuid[], busy integer[], no_answer integer[], failed integer[],
                                    unanswered integer[], last_before timestamptz[], last_after timestamptz[]) RETURNS void
-- The contacts are looked up, however few there were when this was planned.
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    some_lost CONSTANT boolean := EXISTS (SELECT FROM unnest(last_before, last_after) AS d (before, after)
                                          WHERE d.before IS NOT NULL AND (d.after IS NULL OR d.after < d.before));
BEGIN
    -- Where a call went away, the latest of the others is looked up below: FOR UPDATE waits for calls that others are
    -- linking to the contact at this moment, whose foreign keys hold it.
    IF some_lost THEN
        PERFORM FROM unnest(tenants, contacts) AS d (user_id, id) JOIN public.contacts k ON k.user_id = d.user_id AND k.id = d.id
        ORDER BY k.user_id, k.phone_number, k.id FOR UPDATE OF k;
    ELSE
        -- So does whoever moves a call to a later time: another's look at the latest call waits for that.
        PERFORM FROM unnest(tenants, contacts, last_before, last_after) AS d (user_id, id, before, after)
        JOIN public.contacts k ON k.user_id = d.user_id AND k.id = d.id
        WHERE d.before <> d.after
        ORDER BY k.user_id, k.phone_number, k.id FOR KEY SHARE OF k;
        PERFORM FROM unnest(tenants, contacts, busy, no_answer, failed, unanswered, last_after)
                     AS d (user_id, id, busy, no_answer, failed, unanswered, last_after)
        JOIN public.contacts k ON k.user_id = d.user_id AND k.id = d.id
        WHERE (d.busy, d.no_answer, d.failed, d.unanswered) <> (0, 0, 0, 0)
           OR k.last_contact_at IS NULL OR k.last_contact_at < d.last_after
        ORDER BY k.user_id, k.phone_number, k.id FOR NO KEY UPDATE OF k;
    END IF;
    UPDATE public.contacts k
    SET call_attempted_busy = greatest(0, k.call_attempted_busy + m.busy),
        call_attempted_no_answer = greatest(0, k.call_attempted_no_answer + m.no_answer),
        call_attempted_failed = greatest(0, k.call_attempted_failed + m.failed),
        not_connected = greatest(0, k.not_connected + m.unanswered),
        last_contact_at = m.last_call_at
    FROM (
        SELECT d.*, CASE
                   WHEN d.last_before IS NULL OR d.last_after >= d.last_before THEN greatest(k.last_contact_at, d.last_after)
                   WHEN k.last_contact_at > d.last_before THEN k.last_contact_at
                   ELSE greatest(
                       (SELECT max(c.started_at) FROM public.calls c WHERE c.user_id = d.user_id AND c.contact_id = d.id),
                       (SELECT a.last_call_at FROM tally.contact_archive a WHERE a.user_id = d.user_id AND a.contact_id = d.id))
               END AS last_call_at
        FROM unnest(tenants, contacts, busy, no_answer, failed, unanswered, last_before, last_after)
             AS d (user_id, id, busy, no_answer, failed, unanswered, last_before, last_after)
        JOIN public.contacts k ON k.user_id = d.user_id AND k.id = d.id
    ) m
    WHERE k.user_id = m.user_id AND k.id = m.id
      AND ((m.busy, m.no_answer, m.failed, m.unanswered) <> (0, 0, 0, 0) OR k.last_contact_at IS DISTINCT FROM m.last_call_at);
    UPDATE public.customers c SET last_interaction_date = k.last_contact_at
    FROM unnest(tenants, contacts) AS d (user_id, id)
    JOIN public.contacts k ON k.user_id = d.user_id AND k.id = d.id
    WHERE c.user_id = k.user_id AND c.contact_id = k.id AND c.last_interaction_date IS DISTINCT FROM k.last_contact_at;
END $$;

-- Sums old rows negatively and new ones positively, contact by contact, without matching one with the other. Calls that are
-- removed because they are in a file take nothing away: the statement that removes them adds them to contact_archive.
CREATE FUNCTION tally.count_contacts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
DECLARE
    c record;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(user_id) AS tenants, array_agg(contact_id) AS contacts, array_agg(busy) AS busy, array_agg(no_answer) AS no_answer,
               array_agg(failed) AS failed, array_agg(unanswered) AS unanswered, array_agg(NULL::timestamptz) AS last_before,
               array_agg(last_after) AS last_after
        INTO c
        FROM (
            SELECT user_id, contact_id, sum(busy_dials)::integer AS busy, sum(no_answer_dials)::integer AS no_answer,
                   sum(failed_dials)::integer AS failed, sum(unanswered_sids)::integer AS unanswered, max(started_at) AS last_after
            FROM new_rows WHERE contact_id IS NOT NULL GROUP BY 1, 2
        ) d;
    ELSIF TG_OP = 'UPDATE' THEN
        SELECT array_agg(user_id) AS tenants, array_agg(contact_id) AS contacts, array_agg(busy) AS busy, array_agg(no_answer) AS no_answer,
               array_agg(failed) AS failed, array_agg(unanswered) AS unanswered, array_agg(last_before) AS last_before,
               array_agg(last_after) AS last_after
        INTO c
        FROM (
            SELECT user_id, contact_id, sum(busy)::integer AS busy, sum(no_answer)::integer AS no_answer, sum(failed)::integer AS failed,
                   sum(unanswered)::integer AS unanswered, max(last_before) AS last_before, max(last_after) AS last_after
            FROM (
                SELECT user_id, contact_id, -busy_dials AS busy, -no_answer_dials AS no_answer, -failed_dials AS failed,
                       -unanswered_sids AS unanswered, started_at AS last_before, NULL::timestamptz AS last_after
                FROM old_rows WHERE contact_id IS NOT NULL
                UNION ALL
                SELECT user_id, contact_id, busy_dials, no_answer_dials, failed_dials, unanswered_sids, NULL, started_at
                FROM new_rows WHERE contact_id IS NOT NULL
            ) sides
            GROUP BY 1, 2
        ) d
        WHERE (busy, no_answer, failed, unanswered) <> (0, 0, 0, 0) OR last_before IS DISTINCT FROM last_after;
    ELSE
        SELECT array_agg(user_id) AS tenants, array_agg(contact_id) AS contacts, array_agg(busy) AS busy, array_agg(no_answer) AS no_answer,
               array_agg(failed) AS failed, array_agg(unanswered) AS unanswered, array_agg(last_before) AS last_before,
               array_agg(NULL::timestamptz) AS last_after
        INTO c
        FROM (
            SELECT user_id, contact_id, -sum(busy_dials)::integer AS busy, -sum(no_answer_dials)::integer AS no_answer,
                   -sum(failed_dials)::integer AS failed, -sum(unanswered_sids)::integer AS unanswered, max(started_at) AS last_before
            FROM old_rows o
            WHERE contact_id IS NOT NULL AND NOT (tally.removing_frozen() AND started_at < tally.frozen_before(user_id))
            GROUP BY 1, 2
        ) d
        -- With the tenant its contacts go, too.
        WHERE EXISTS (SELECT FROM public.users u WHERE u.id = d.user_id);
    END IF;
    IF c.tenants IS NOT NULL THEN
        PERFORM tally.move_contacts(c.tenants, c.contacts, c.busy, c.no_answer, c.failed, c.unanswered, c.last_before, c.last_after);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION tally.recount_all_contacts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
BEGIN
    PERFORM tally.recount_contacts();
    RETURN NULL;
END $$;

-- After the foreign keys, whose triggers are of rows: a call that is linked holds its contact by now.
CREATE TRIGGER calls_contacts_inserted AFTER INSERT ON public.calls
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.count_contacts();
CREATE TRIGGER calls_contacts_updated AFTER UPDATE ON public.calls
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.count_contacts();
CREATE TRIGGER calls_contacts_deleted AFTER DELETE ON public.calls
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.count_contacts();
CREATE TRIGGER calls_contacts_truncated AFTER TRUNCATE ON public.calls
    FOR EACH STATEMENT EXECUTE FUNCTION tally.recount_all_contacts();

-- However a customer is made, its last interaction is that of its contact.
CREATE FUNCTION tally.take_last_interaction() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
BEGIN
    SELECT last_contact_at INTO NEW.last_interaction_date
    FROM public.contacts WHERE user_id = NEW.user_id AND id = NEW.contact_id FOR NO KEY UPDATE;
    RETURN NEW;
END $$;
CREATE TRIGGER customers_last_interaction BEFORE INSERT ON public.customers
    FOR EACH ROW EXECUTE FUNCTION tally.take_last_interaction();

-- ---------------------------------------------------------------------------
-- Rights. Requests read the sums through views only: they cannot name the schema.
-- ---------------------------------------------------------------------------

GRANT SELECT, INSERT, UPDATE, DELETE ON tally.contact_archive TO tallyline_worker;
ALTER TABLE tally.contact_archive ENABLE ROW LEVEL SECURITY;
CREATE POLICY contact_archive_worker ON tally.contact_archive TO tallyline_worker USING (true) WITH CHECK (true);
CREATE POLICY contact_archive_api ON tally.contact_archive FOR SELECT TO tallyline_api USING (user_id = public.current_tenant());
GRANT SELECT ON tally.contact_archive TO tallyline_api;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA tally FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA tally TO tallyline_worker;
