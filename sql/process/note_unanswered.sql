-- Notes which CallSids Twilio reported unanswered, and on which contact they count; returns nothing. Nothing is counted here:
-- contacts.not_connected is a sum over calls. $1 rows as JSON: user_id, call_sid, phone_number, call_status, contact_id.
INSERT INTO public.twilio_processed_calls AS t (user_id, twilio_call_sid, phone_number, call_status, contact_id)
SELECT r.user_id, r.call_sid, r.phone_number, r.call_status, r.contact_id
FROM jsonb_to_recordset($1::jsonb) AS r (user_id uuid, call_sid text, phone_number text, call_status text, contact_id uuid)
ORDER BY r.user_id, r.call_sid
ON CONFLICT (user_id, twilio_call_sid) DO UPDATE SET
    phone_number = EXCLUDED.phone_number, call_status = EXCLUDED.call_status, contact_id = EXCLUDED.contact_id
WHERE (t.phone_number, t.call_status, t.contact_id) IS DISTINCT FROM (EXCLUDED.phone_number, EXCLUDED.call_status, EXCLUDED.contact_id)
