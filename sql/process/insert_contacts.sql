-- Creates contacts for numbers that have none; one that exists, under its number in any form, is left alone.
-- $1 rows as JSON: user_id, phone_e164, name, email, company, call_id, last_call_at (latest start of its calls in
-- this batch; older calls it has none).
INSERT INTO public.contacts (user_id, name, phone_number, phone_e164, email, company, notes,
    is_auto_created, auto_creation_source, auto_created_from_call_id, last_contact_at)
SELECT r.user_id, r.name, r.phone_e164, r.phone_e164, r.email, r.company, 'Created from call ' || r.call_id,
       true, 'webhook', r.call_id, r.last_call_at
FROM jsonb_to_recordset($1::jsonb) AS r (
    user_id uuid, phone_e164 text, name text, email text, company text, call_id uuid, last_call_at timestamptz)
ORDER BY r.user_id, r.phone_e164
ON CONFLICT DO NOTHING
