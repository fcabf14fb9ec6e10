-- Adds contacts that are not there, under their number in any form; returns the ids of those that are new.
-- $1 tenant, $2 rows as JSON: name, phone_number, phone_e164, email, company, notes, created_at.
INSERT INTO public.contacts (user_id, name, phone_number, phone_e164, email, company, notes, created_at)
SELECT $1, r.name, r.phone_number, r.phone_e164, r.email, r.company, r.notes, r.created_at
FROM jsonb_to_recordset($2::jsonb) AS r (
    name text, phone_number text, phone_e164 text, email text, company text, notes text, created_at timestamptz)
ORDER BY r.phone_e164
ON CONFLICT DO NOTHING
RETURNING id
