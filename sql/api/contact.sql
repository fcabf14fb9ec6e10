-- Returns the contact $2 of the tenant $1, with the customer it has become.
SELECT c.id, c.name, c.phone_number, c.phone_e164, c.email, c.company, c.notes, c.is_customer, c.not_connected,
       c.call_attempted_busy, c.call_attempted_no_answer, c.call_attempted_failed, c.last_contact_at, c.created_at, m.id AS "customer_id?"
FROM public.contacts c
LEFT JOIN public.customers m ON m.user_id = c.user_id AND m.contact_id = c.id
WHERE c.user_id = $1 AND c.id = $2
