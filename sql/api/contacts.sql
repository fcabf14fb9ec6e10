-- Returns $5 contacts of the tenant $1 after the id $2; of the number $3 (E.164) and the e-mail address $4, where those are not null.
SELECT id, name, phone_number, phone_e164, email, company, is_customer, last_contact_at, created_at
FROM public.contacts
WHERE user_id = $1 AND id > $2 AND ($3::text IS NULL OR phone_e164 = $3) AND ($4::text IS NULL OR lower(email) = lower($4))
ORDER BY id
LIMIT $5
