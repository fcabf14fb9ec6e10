-- Moves the balance of tenant $1 and enters it into the ledger; returns the entry.
-- $2 type, $3 micro-credits, $4 description, $5 payment, $6 key.
WITH moved AS (
    UPDATE public.users SET credits_micros = credits_micros + $3 WHERE id = $1 RETURNING credits_micros
)
INSERT INTO public.credit_transactions (user_id, type, amount_micros, balance_after_micros, description, stripe_payment_id, idempotency_key)
SELECT $1, $2, $3, m.credits_micros, $4, $5, $6 FROM moved m
RETURNING id, entry_no, type AS kind, amount_micros, balance_after_micros, description, stripe_payment_id AS payment_id, call_id, created_at
