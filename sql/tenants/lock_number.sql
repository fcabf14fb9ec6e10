-- The number $1 (E.164) that is in use, by its normal form, else as it is written; locked. Its id and tenant.
SELECT id, assigned_to_user_id AS user_id FROM public.phone_numbers
WHERE is_active AND (phone_e164 = $1 OR (phone_e164 IS NULL AND phone_number = $1))
ORDER BY phone_e164 IS NULL
LIMIT 1
FOR UPDATE
