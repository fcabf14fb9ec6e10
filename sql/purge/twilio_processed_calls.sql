-- Deletes CallSids noted longer ago than their retention, at most 10,000; returns nothing. No counter depends on them. $1 days.
DELETE FROM public.twilio_processed_calls WHERE (user_id, id) IN (
    SELECT t.user_id, t.id FROM public.twilio_processed_calls t WHERE t.processed_at < now() - make_interval(days => $1) LIMIT 10000)
