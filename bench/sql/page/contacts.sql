-- Makes the $2 contacts of the tenant $1, with what its calls say of them.
INSERT INTO public.contacts (user_id, id, name, phone_number, phone_e164, email, is_auto_created, auto_creation_source, created_at,
                             last_contact_at, not_connected, call_attempted_busy, call_attempted_no_answer, call_attempted_failed)
SELECT $1, k.id, 'Contact ' || k.n, k.number, k.number, 'contact-' || k.n || '@example.test', true, 'webhook', now() - interval '90 days',
       c.last_at, coalesce(c.busy + c.no_answer + c.failed, 0), coalesce(c.busy, 0), coalesce(c.no_answer, 0), coalesce(c.failed, 0)
FROM (
    SELECT n, md5($1::text || 'c' || n)::uuid AS id, '+1202' || lpad(n::text, 7, '0') AS number FROM generate_series(0, $2::integer - 1) n
) k
LEFT JOIN (
    SELECT contact_id, max(started_at) AS last_at, sum(busy_dials) AS busy, sum(no_answer_dials) AS no_answer, sum(failed_dials) AS failed
    FROM public.calls WHERE user_id = $1 GROUP BY contact_id
) c ON c.contact_id = k.id
