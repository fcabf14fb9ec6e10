DROP TABLE public.user_sessions, public.customers, tally.customer_counters, public.follow_ups,
    public.credit_transactions, public.lead_analytics, public.twilio_processed_calls, public.transcripts,
    public.calls, public.contacts, public.agents;
DROP SEQUENCE tally.credit_entry_seq;
DROP FUNCTION tally.assign_customer_reference();
