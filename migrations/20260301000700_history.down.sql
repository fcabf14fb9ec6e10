-- Fails while the ledger holds charges of calls that have gone to history: without
-- them the old foreign key cannot be.
CREATE OR REPLACE FUNCTION tally.mark_calls_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
BEGIN
    INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
    SELECT o.user_id, 0, o.bucket_start
    FROM (SELECT DISTINCT user_id, tally.quarter_of(started_at) AS bucket_start FROM old_rows) o
    WHERE EXISTS (SELECT FROM public.users u WHERE u.id = o.user_id);
    RETURN NULL;
END $$;
DROP TRIGGER leads_frozen_deleted ON public.lead_analytics;
DROP TRIGGER leads_frozen_updated ON public.lead_analytics;
DROP TRIGGER leads_frozen_inserted ON public.lead_analytics;
DROP TRIGGER calls_frozen_deleted ON public.calls;
DROP TRIGGER calls_frozen_updated ON public.calls;
DROP TRIGGER calls_frozen_inserted ON public.calls;
DROP FUNCTION tally.refuse_frozen_leads();
DROP FUNCTION tally.refuse_frozen_calls();
DROP FUNCTION tally.refuse_frozen(uuid);
DROP FUNCTION tally.hold_tenants(uuid[]);
DROP TRIGGER calls_keep_charged ON public.calls;
DROP TRIGGER credit_transactions_call_updated ON public.credit_transactions;
DROP TRIGGER credit_transactions_call_inserted ON public.credit_transactions;
DROP FUNCTION tally.keep_charged_call();
DROP FUNCTION tally.removing_frozen();
DROP FUNCTION tally.check_charged_call();
ALTER TABLE public.credit_transactions
    ADD CONSTRAINT credit_transactions_user_id_call_id_fkey FOREIGN KEY (user_id, call_id) REFERENCES public.calls (user_id, id);
DROP TABLE tally.history_files;
