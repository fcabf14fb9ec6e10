-- Locks the existing rows of the given calls in id order; returns what later steps build on. $1 tenants, $2 call ids.
SELECT c.user_id, c.id, c.agent_id, c.contact_id, c.credits_micros, c.billing_pulse_seconds, c.credits_per_minute_micros
FROM public.calls c
WHERE (c.user_id, c.id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
ORDER BY c.user_id, c.id
FOR UPDATE
