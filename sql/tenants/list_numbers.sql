-- The numbers in use, of tenant $1 or of all, by number.
SELECT id, name, phone_number, phone_e164, bolna_phone_number_id, assigned_to_user_id AS user_id, assigned_to_agent_id AS agent_id, created_at
FROM public.phone_numbers
WHERE is_active AND ($1::uuid IS NULL OR assigned_to_user_id = $1)
ORDER BY coalesce(phone_e164, phone_number)
