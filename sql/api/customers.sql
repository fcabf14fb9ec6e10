-- Returns $4 customers of the tenant $1 after the reference $2, with their lifetime figures; only the customer $3, where it is not null.
SELECT f.customer_id AS "id!", f.contact_id AS "contact_id!", f.customer_reference_number AS "reference!", m.name, f.status AS "status!",
       f.conversion_date AS "conversion_date!", f.total_calls AS "total_calls!", f.answered_calls AS "successful_calls!",
       f.talk_seconds AS "talk_seconds!", f.total_minutes AS "total_duration_minutes!", f.credits_micros AS "credits_micros!",
       f.cost_micros AS "cost_micros!", f.leads AS "leads_generated!", f.first_call_at, f.last_call_at, f.last_interaction_date
FROM public.customer_figures f
JOIN public.customers m ON m.user_id = f.user_id AND m.id = f.customer_id
WHERE f.user_id = $1 AND m.user_id = $1 AND f.customer_reference_number > $2 AND ($3::uuid IS NULL OR f.customer_id = $3)
ORDER BY f.customer_reference_number
LIMIT $4
