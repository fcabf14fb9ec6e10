-- Takes CallSids out of the ledger of unanswered ones that turned out to be legs and no dials of a call. $1 tenants, $2 CallSids.
DELETE FROM public.twilio_processed_calls t
USING unnest($1::uuid[], $2::text[]) AS l (user_id, call_sid)
WHERE t.user_id = l.user_id AND t.twilio_call_sid = l.call_sid
