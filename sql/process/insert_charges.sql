-- Writes ledger entries of calls, numbered per call from 0; returns nothing.
-- $1 tenants, $2 call ids, $3 amounts in micro-credits (negative: taken), $4 balances after, in the order of the entries.
INSERT INTO public.credit_transactions (user_id, type, amount_micros, balance_after_micros, description, call_id, charge_no)
SELECT e.user_id, CASE WHEN e.amount < 0 THEN 'usage' ELSE 'refund' END, e.amount, e.balance_after,
       CASE WHEN p.charges = 0 THEN 'Call' ELSE 'Correction of a call' END, e.call_id, p.charges
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[]) WITH ORDINALITY AS e (user_id, call_id, amount, balance_after, place)
CROSS JOIN LATERAL (
    SELECT count(*)::integer AS charges FROM public.credit_transactions t WHERE t.user_id = e.user_id AND t.call_id = e.call_id
) p
ORDER BY e.place
