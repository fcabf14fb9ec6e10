-- Legs beside a call's own dials: transfers to a person, and what else the carrier connects.

CREATE TABLE tally.call_legs (
    user_id                 uuid        NOT NULL,
    call_id                 uuid        NOT NULL,
    leg_key                 text        NOT NULL,
    kind                    text        NOT NULL,
    lifecycle               text        NOT NULL,
    outcome                 text        NOT NULL,
    duration_seconds        integer,
    cost_reported           numeric,
    to_number               text,
    from_number             text,
    recording_url           text,
    hangup_by               text,
    hangup_reason           text,
    hangup_provider_code    bigint,
    termination_reason      text,
    started_at              timestamptz,
    ended_at                timestamptz,
    PRIMARY KEY (user_id, call_id, leg_key),
    FOREIGN KEY (user_id, call_id) REFERENCES public.calls (user_id, id) ON DELETE CASCADE,
    CONSTRAINT call_legs_leg_key_check CHECK (leg_key <> ''),
    CONSTRAINT call_legs_kind_check CHECK (kind IN ('transfer', 'child')),
    CONSTRAINT call_legs_outcome_check CHECK (outcome IN
        ('answered', 'voicemail', 'no_answer', 'busy', 'failed', 'cancelled', 'in_progress')),
    CONSTRAINT call_legs_duration_seconds_check CHECK (duration_seconds >= 0),
    CONSTRAINT call_legs_cost_reported_check CHECK (cost_reported >= 0)
);
COMMENT ON TABLE tally.call_legs IS 'Legs of a call that are no dials of it. Their seconds and prices are in no figure of the call.';
COMMENT ON COLUMN tally.call_legs.leg_key IS 'The carrier''s id of the leg; transfer: and the attempt for one without.';
COMMENT ON COLUMN tally.call_legs.cost_reported IS 'The number as reported. Its unit is not documented, so it is no money and is never summed.';
COMMENT ON COLUMN tally.call_legs.started_at IS 'The carrier''s first word about the leg; null where only the call''s record tells of it, which gives no times.';
CREATE INDEX call_legs_key_idx ON tally.call_legs (user_id, leg_key);
GRANT SELECT, INSERT, UPDATE, DELETE ON tally.call_legs TO tallyline_worker;

-- A dial that only a later record tells of has no start.
COMMENT ON COLUMN tally.call_attempts.started_at IS 'Null where only a later record tells of the dial.';

COMMENT ON COLUMN tally.inbox_pending.wait_key IS 'The CallSid whose call a waiting Twilio event is waiting for: its own, or its parent''s if it is of a child leg.';

-- As before, and the legs go over too.
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
    UPDATE tally.call_legs l SET call_id = into_call WHERE user_id = tenant AND call_id = absorbed
        AND NOT EXISTS (SELECT FROM tally.call_legs k WHERE k.user_id = tenant AND k.call_id = into_call AND k.leg_key = l.leg_key);
    UPDATE public.follow_ups SET call_id = into_call WHERE user_id = tenant AND call_id = absorbed;
    UPDATE public.credit_transactions SET call_id = into_call, charge_no = charge_no + entries
    WHERE user_id = tenant AND call_id = absorbed;
    UPDATE public.calls SET credits_micros = credits_micros + charged WHERE user_id = tenant AND id = into_call;
    DELETE FROM public.calls WHERE user_id = tenant AND id = absorbed;
END $$;
