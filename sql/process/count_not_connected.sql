-- Counts each unanswered Twilio call once on its contact: the increment happens only with a new row of the ledger.
-- $1 rows as JSON: user_id, call_sid, phone_number, call_status, contact_id.
WITH noted AS (
    INSERT INTO public.twilio_processed_calls (user_id, twilio_call_sid, phone_number, call_status, contact_id)
    SELECT r.user_id, r.call_sid, r.phone_number, r.call_status, r.contact_id
    FROM jsonb_to_recordset($1::jsonb) AS r (user_id uuid, call_sid text, phone_number text, call_status text, contact_id uuid)
    ORDER BY r.user_id, r.call_sid
    ON CONFLICT (user_id, twilio_call_sid) DO NOTHING
    RETURNING user_id, contact_id
)
UPDATE public.contacts c SET not_connected = c.not_connected + n.unanswered
FROM (SELECT user_id, contact_id, count(*)::integer AS unanswered FROM noted WHERE contact_id IS NOT NULL GROUP BY 1, 2) n
WHERE c.user_id = n.user_id AND c.id = n.contact_id
