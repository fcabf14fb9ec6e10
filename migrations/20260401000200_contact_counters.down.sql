DROP TRIGGER customers_last_interaction ON public.customers;
DROP FUNCTION tally.take_last_interaction();
DROP TRIGGER calls_contacts_truncated ON public.calls;
DROP TRIGGER calls_contacts_deleted ON public.calls;
DROP TRIGGER calls_contacts_updated ON public.calls;
DROP TRIGGER calls_contacts_inserted ON public.calls;
DROP FUNCTION tally.recount_all_contacts();
DROP FUNCTION tally.count_contacts();
DROP FUNCTION tally.move_contacts(uuid[], uuid[], integer[], integer[], integer[], integer[], timestamptz[], timestamptz[]);
DROP FUNCTION tally.recount_contacts(uuid);
DROP INDEX public.calls_contact_idx;
CREATE INDEX calls_contact_idx ON public.calls (user_id, contact_id) WHERE contact_id IS NOT NULL;
DROP TABLE tally.contact_archive;
ALTER TABLE public.contacts
    DROP COLUMN call_attempted_busy, DROP COLUMN call_attempted_no_answer, DROP COLUMN call_attempted_failed, DROP COLUMN last_contact_at;
ALTER TABLE public.calls
    DROP COLUMN busy_dials, DROP COLUMN no_answer_dials, DROP COLUMN failed_dials, DROP COLUMN unanswered_sids;
