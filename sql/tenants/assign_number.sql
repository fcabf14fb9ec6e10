-- Nothing; the number $1 belongs to tenant $2 and agent $3 (null: to nobody). $4 its normal form.
UPDATE public.phone_numbers SET assigned_to_user_id = $2, assigned_to_agent_id = $3, phone_e164 = $4 WHERE id = $1
