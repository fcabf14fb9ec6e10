-- Makes the contact $2 of the tenant $1 a lead with a score and its reasons, a customer, and one to be followed up.
WITH lead AS (
    INSERT INTO public.lead_analytics (user_id, call_id, analysis_type, contact_id, total_score, quality, urgency_score, reasoning)
    SELECT $1, c.id, 'complete', $2, 11, 'warm', 3, '{"urgency": "wants it this week"}'
    FROM public.calls c WHERE c.user_id = $1 AND c.contact_id = $2 LIMIT 1
), number AS (
    UPDATE public.contacts SET phone_e164 = '+15550123', is_customer = true WHERE user_id = $1 AND id = $2
), follow_up AS (
    INSERT INTO public.follow_ups (user_id, lead_phone, phone_e164, follow_up_date, remark)
    VALUES ($1, '+15550123', '+15550123', '2026-03-20', 'Ask again')
)
INSERT INTO public.customers (user_id, contact_id, customer_reference_number, name)
VALUES ($1, $2, 'CUST-of-the-test', 'C1')
