-- The new number's id. $1 name, $2 number in E.164, $3 id at Bolna, $4 who adds it.
INSERT INTO public.phone_numbers (name, phone_number, phone_e164, bolna_phone_number_id, created_by_admin_id)
VALUES ($1, $2, $2, $3, $4)
RETURNING id
