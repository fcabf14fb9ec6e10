-- From a webhook to a call: endpoints, the inbox, the events of a call.

CREATE TABLE tally.endpoints (
    endpoint                text         PRIMARY KEY CHECK (endpoint ~ '^[a-z0-9_-]{8,64}$'),
    user_id                 uuid         NOT NULL,
    provider                text         NOT NULL CHECK (provider IN ('bolna', 'twilio', 'analysis')),
    -- Bolna: SHA-256 of the bearer secret. The secret itself is shown once and kept nowhere.
    secret_sha256           bytea        CHECK (length(secret_sha256) = 32),
    previous_secret_sha256  bytea        CHECK (length(previous_secret_sha256) = 32),
    -- Twilio and Standard Webhooks: the key that signs, sealed with the configuration's key.
    sealed_key              bytea,
    previous_sealed_key     bytea,
    previous_expires_at     timestamptz,
    account_sid             text         CHECK (account_sid ~ '^AC[0-9a-f]{32}$'),
    allowed_ips             inet[],
    created_at              timestamptz  NOT NULL DEFAULT now(),
    disabled_at             timestamptz,
    CHECK (CASE provider WHEN 'bolna' THEN secret_sha256 IS NOT NULL ELSE sealed_key IS NOT NULL END)
);
COMMENT ON TABLE tally.endpoints IS 'Where a tenant''s provider posts to. The tenant of an event is the tenant of its endpoint, never what the body says.';
CREATE INDEX endpoints_user_idx ON tally.endpoints (user_id);

-- One row a tenant: taken FOR UPDATE SKIP LOCKED by whoever processes the
-- tenant's events, so that events of one tenant are applied by one worker.
CREATE TABLE tally.lanes (
    user_id     uuid   PRIMARY KEY REFERENCES public.users (id) ON DELETE CASCADE,
    turn        bigint NOT NULL DEFAULT 0,
    claims      integer NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON COLUMN tally.lanes.claims IS 'Batches begun since the last one that ended; counted in a committed transaction before the work.';
CREATE SEQUENCE tally.lane_turn_seq;

CREATE SEQUENCE tally.inbox_seq;
CREATE TABLE tally.inbox (
    user_id         uuid        NOT NULL,
    id              bigint      NOT NULL DEFAULT nextval('tally.inbox_seq'),
    provider        text        NOT NULL CHECK (provider IN ('bolna', 'twilio', 'analysis')),
    endpoint        text        NOT NULL,
    body_sha256     bytea       NOT NULL CHECK (length(body_sha256) = 32),
    body            bytea,
    headers         jsonb       NOT NULL DEFAULT '{}',
    received_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, provider, body_sha256)
);
COMMENT ON TABLE tally.inbox IS 'Every distinct webhook as it came. Never updated by the pipeline; the body may be stripped by retention.';
ALTER TABLE tally.inbox ALTER COLUMN body SET STORAGE EXTERNAL;

-- What is still to do, apart from the body so that a change of state does not
-- rewrite it. The row goes away in the transaction that applies the event.
CREATE TABLE tally.inbox_pending (
    user_id     uuid        NOT NULL,
    inbox_id    bigint      NOT NULL,
    received_at timestamptz NOT NULL,
    state       text        NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'waiting')),
    claims      integer     NOT NULL DEFAULT 0,
    not_before  timestamptz NOT NULL DEFAULT '-infinity',
    wait_key    text,
    PRIMARY KEY (user_id, inbox_id),
    FOREIGN KEY (user_id, inbox_id) REFERENCES tally.inbox (user_id, id) ON DELETE CASCADE,
    CHECK ((state = 'waiting') = (wait_key IS NOT NULL))
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
COMMENT ON COLUMN tally.inbox_pending.wait_key IS 'The CallSid whose Bolna execution a waiting Twilio event is waiting for.';
CREATE INDEX inbox_pending_received_idx ON tally.inbox_pending (received_at);
CREATE INDEX inbox_pending_wait_idx ON tally.inbox_pending (user_id, wait_key) WHERE state = 'waiting';

CREATE SEQUENCE tally.quarantine_seq;
CREATE TABLE tally.quarantine (
    user_id     uuid        NOT NULL,
    id          bigint      NOT NULL DEFAULT nextval('tally.quarantine_seq'),
    provider    text        NOT NULL,
    endpoint    text        NOT NULL,
    inbox_id    bigint,
    reason      text        NOT NULL CHECK (reason ~ '^[a-z_]{3,40}$'),
    detail      text        NOT NULL DEFAULT '',
    wait_key    text,
    body        bytea       CHECK (length(body) <= 65536),
    received_at timestamptz NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, inbox_id),
    -- An event that was refused at the door has no inbox row and keeps its (cut) body here.
    CHECK ((inbox_id IS NULL) = (body IS NOT NULL))
);
COMMENT ON TABLE tally.quarantine IS 'Events that could not be applied, with the reason; replayed by hand or, for unknown_agent, when the agent appears.';
CREATE INDEX quarantine_wait_idx ON tally.quarantine (user_id, reason, wait_key) WHERE wait_key IS NOT NULL;
CREATE INDEX quarantine_created_idx ON tally.quarantine (user_id, created_at);

-- The parsed facts of each event that belongs to a call. A call is a function
-- of this set; no foreign key, since an analysis may come before its call.
CREATE TABLE tally.call_events (
    user_id     uuid        NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    call_id     uuid        NOT NULL,
    provider    text        NOT NULL,
    body_sha256 bytea       NOT NULL,
    inbox_id    bigint      NOT NULL,
    received_at timestamptz NOT NULL,
    facts       jsonb       NOT NULL,
    PRIMARY KEY (user_id, call_id, provider, body_sha256)
);

CREATE TABLE tally.call_attempts (
    user_id             uuid        NOT NULL,
    call_id             uuid        NOT NULL,
    attempt             integer     NOT NULL CHECK (attempt >= 0),
    lifecycle           text        NOT NULL,
    outcome             text        NOT NULL,
    call_sid            text,
    started_at          timestamptz,
    ended_at            timestamptz,
    duration_seconds    integer     NOT NULL CHECK (duration_seconds >= 0),
    PRIMARY KEY (user_id, call_id, attempt),
    FOREIGN KEY (user_id, call_id) REFERENCES public.calls (user_id, id) ON DELETE CASCADE
);

CREATE TABLE tally.call_aliases (
    user_id     uuid NOT NULL,
    call_sid    text NOT NULL,
    call_id     uuid NOT NULL,
    PRIMARY KEY (user_id, call_sid),
    FOREIGN KEY (user_id, call_id) REFERENCES public.calls (user_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE tally.call_aliases IS 'CallSids of a call: one execution with retries has several.';
CREATE INDEX call_aliases_call_idx ON tally.call_aliases (user_id, call_id);

-- A call that only Twilio spoke of turns out to be an execution that has a row
-- already: its events, CallSids and charges go over, and the row goes. What was
-- charged for it is settled by the next fold of the call that stays.
CREATE FUNCTION tally.absorb_call(tenant uuid, absorbed uuid, into_call uuid) RETURNS void
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
