CREATE OR REPLACE FUNCTION tally.absorb_call(tenant uuid, absorbed uuid, into_call uuid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, tally AS $$
DECLARE
    charged bigint;
    entries integer;
BEGIN
    PERFORM FROM public.calls WHERE user_id = tenant AND id IN (absorbed, into_call) ORDER BY id FOR UPDATE;
    SELECT credits_micros INTO charged FROM public.calls WHERE user_id = tenant AND id = absorbed;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT count(*) INTO entries FROM public.credit_transactions WHERE user_id = tenant AND call_id = into_call;
    UPDATE tally.call_events SET call_id = into_call WHERE user_id = tenant AND call_id = absorbed;
    UPDATE tally.call_aliases SET call_id = into_call WHERE user_id = tenant AND call_id = absorbed;
    UPDATE public.follow_ups SET call_id = into_call WHERE user_id = tenant AND call_id = absorbed;
    UPDATE public.credit_transactions SET call_id = into_call, charge_no = charge_no + entries
    WHERE user_id = tenant AND call_id = absorbed;
    UPDATE public.calls SET credits_micros = credits_micros + charged WHERE user_id = tenant AND id = into_call;
    DELETE FROM public.calls WHERE user_id = tenant AND id = absorbed;
END $$;
COMMENT ON COLUMN tally.inbox_pending.wait_key IS 'The CallSid whose Bolna execution a waiting Twilio event is waiting for.';
COMMENT ON COLUMN tally.call_attempts.started_at IS NULL;
DROP TABLE tally.call_legs;
