-- Returns the customers of tenant $1 with their lifetime figures, by reference, at most $3, behind the reference $2 if not null.
SELECT m.customer_reference_number AS reference, m.name, m.company, m.contact_id, m.status, m.conversion_date,
       f.total_calls AS "calls!", f.answered_calls AS "answered!", f.talk_seconds AS "talk_seconds!", f.leads AS "leads!",
       f.credits_micros AS "credits_micros!", f.cost_micros AS "cost_micros!", f.last_call_at
FROM (
    SELECT * FROM public.customers
    WHERE user_id = $1 AND ($2::text IS NULL OR customer_reference_number > $2)
    ORDER BY customer_reference_number
    LIMIT $3
) m
JOIN public.customer_figures f ON f.user_id = m.user_id AND f.customer_id = m.id
ORDER BY m.customer_reference_number
