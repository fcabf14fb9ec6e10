-- Makes a customer of the locked contact $2 of tenant $1; returns it. $3 source, $4 sales representative, $5 notes.
-- Its reference and its last interaction are filled in by the table's triggers.
WITH converted AS (
    UPDATE public.contacts SET is_customer = true WHERE user_id = $1 AND id = $2 RETURNING user_id, id, name, email, phone_number, company
)
INSERT INTO public.customers (user_id, contact_id, customer_reference_number, name, email, phone, company, original_lead_source,
    assigned_sales_rep, notes)
SELECT user_id, id, '', name, email, phone_number, company, $3, $4, $5 FROM converted
RETURNING id, contact_id, customer_reference_number AS reference
