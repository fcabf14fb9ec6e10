-- Makes customers of every twentieth contact of the tenant $1, a follow-up of every fiftieth of its $2 calls, and quarantines an event a thousand calls.
WITH customer AS (
    INSERT INTO public.customers (user_id, contact_id, customer_reference_number, name, conversion_date, last_interaction_date)
    SELECT $1, k.id, 'CUST-2026-' || lpad((row_number() OVER (ORDER BY k.id))::text, 6, '0'), k.name, now() - interval '20 days', k.last_contact_at
    FROM public.contacts k WHERE k.user_id = $1 AND right(k.phone_number, 2)::integer % 20 = 0
), follow_up AS (
    INSERT INTO public.follow_ups (user_id, call_id, lead_phone, phone_e164, lead_name, follow_up_date, follow_up_status, completed_at, remark)
    SELECT $1, c.id, c.phone_number, c.phone_number, 'Contact', current_date + (n / 50 % 60)::integer - 30,
           (ARRAY['pending', 'completed', 'cancelled'])[1 + n / 50 % 3], CASE WHEN n / 50 % 3 = 1 THEN now() END, 'Call back'
    FROM generate_series(0::bigint, $2::bigint - 1, 50) n
    JOIN public.calls c ON c.user_id = $1 AND c.id = md5($1::text || n)::uuid
)
INSERT INTO tally.quarantine (user_id, provider, endpoint, reason, detail, body, received_at, created_at)
SELECT $1, 'bolna', 'bolna-' || md5($1::text), 'unknown_agent', 'agent-9', convert_to('{"id":"x"}', 'UTF8'), q.at, q.at
FROM generate_series(0::bigint, $2::bigint - 1, 1000) n
CROSS JOIN LATERAL (SELECT now() - make_interval(mins => (n / 1000 % 8000)::integer) AS at) q
