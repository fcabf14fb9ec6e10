-- Sets the status $3 of the customer $2 of tenant $1; returns its id and the status before.
UPDATE public.customers m SET status = $3
FROM (SELECT user_id, id, status FROM public.customers WHERE user_id = $1 AND customer_reference_number = $2 FOR UPDATE) b
WHERE m.user_id = b.user_id AND m.id = b.id
RETURNING m.id, b.status AS before
