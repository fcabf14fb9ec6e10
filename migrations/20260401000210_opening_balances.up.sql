-- The ledger explains the whole balance, from the first credit on.

ALTER TABLE public.credit_transactions
    ADD COLUMN idempotency_key varchar(255),
    ADD CONSTRAINT credit_transactions_user_id_idempotency_key_key UNIQUE (user_id, idempotency_key),
    ADD CONSTRAINT credit_transactions_idempotency_key_check CHECK (idempotency_key <> '' AND stripe_payment_id <> '');
COMMENT ON COLUMN public.credit_transactions.idempotency_key IS 'Names an entry made by hand, so that the same request again is not a second one; purchases are named by their payment.';
COMMENT ON TABLE public.credit_transactions IS 'Append-only ledger. A tenant''s balance is the sum of amount_micros; for each call the sum is minus calls.credits_micros.';

-- Whoever creates a tenant with credits gives them: that is the first entry.
CREATE FUNCTION tally.open_ledger() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
BEGIN
    INSERT INTO public.credit_transactions (user_id, type, amount_micros, balance_after_micros, description, created_at)
    VALUES (NEW.id, CASE WHEN NEW.credits_micros > 0 THEN 'bonus' ELSE 'admin_adjustment' END, NEW.credits_micros, NEW.credits_micros,
            'Opening balance', NEW.created_at);
    RETURN NULL;
END $$;
CREATE TRIGGER users_open_ledger AFTER INSERT ON public.users
    FOR EACH ROW WHEN (NEW.credits_micros <> 0) EXECUTE FUNCTION tally.open_ledger();

-- Tenants that are there: before all their entries stands what they began with.
INSERT INTO public.credit_transactions (user_id, entry_no, type, amount_micros, balance_after_micros, description, created_at)
SELECT u.id, coalesce(l.first_entry_no - 1, nextval('tally.credit_entry_seq')),
       CASE WHEN d.missing > 0 THEN 'bonus' ELSE 'admin_adjustment' END, d.missing, d.missing, 'Opening balance', u.created_at
FROM public.users u
LEFT JOIN (SELECT user_id, sum(amount_micros)::bigint AS entered, min(entry_no) AS first_entry_no FROM public.credit_transactions GROUP BY 1) l
    ON l.user_id = u.id
CROSS JOIN LATERAL (SELECT u.credits_micros - coalesce(l.entered, 0) AS missing) d
WHERE d.missing <> 0;

REVOKE EXECUTE ON FUNCTION tally.open_ledger() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tally.open_ledger() TO tallyline_worker;
