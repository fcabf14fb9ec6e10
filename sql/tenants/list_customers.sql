-- The customers of tenant $1 with their lifetime figures, by reference.
SELECT f.customer_id AS "id!", f.contact_id AS "contact_id!", f.customer_reference_number AS "reference!", m.name, f.status AS "status!",
       f.conversion_date AS "conversion_date!", f.total_calls AS "total_calls!", f.answered_calls AS "answered_calls!",
       f.talk_seconds AS "talk_seconds!", f.total_minutes AS "total_minutes!", f.credits_micros AS "credits_micros!",
       f.cost_micros AS "cost_micros!", f.leads AS "leads!", f.first_call_at, f.last_call_at, f.last_interaction_date
FROM public.customer_figures f
JOIN public.customers m ON m.user_id = f.user_id AND m.id = f.customer_id
WHERE f.user_id = $1
ORDER BY f.customer_reference_number
