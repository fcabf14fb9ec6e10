-- Outgoing webhooks: what a tenant is told, where to, and how far each telling is.
--
-- A notification is written in the transaction of its cause. The drain
-- deliver_notifications hands it out to the tenant's endpoints (a row each) and
-- posts it; while no endpoint wants it, it waits.

CREATE TABLE tally.notification_endpoints (
    user_id             uuid        NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    id                  uuid        NOT NULL DEFAULT gen_random_uuid(),
    url                 text        NOT NULL,
    -- Kinds that are sent there; null: all.
    kinds               text[],
    -- The keys that sign, sealed with the configuration's key; both sign while the previous one has not expired.
    sealed_key          bytea       NOT NULL,
    previous_sealed_key bytea,
    previous_expires_at timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    disabled_at         timestamptz,
    disabled_reason     text,
    -- Whose turn it is among the endpoints.
    turn                bigint      NOT NULL DEFAULT 0,
    -- Attempts that failed since the last one that did not.
    failures            integer     NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, id),
    CONSTRAINT notification_endpoints_url_check CHECK (url ~ '^https?://[^[:space:]]+$' AND length(url) <= 2000),
    CONSTRAINT notification_endpoints_kinds_check CHECK (cardinality(kinds) > 0),
    CONSTRAINT notification_endpoints_previous_check CHECK ((previous_sealed_key IS NULL) = (previous_expires_at IS NULL)),
    CONSTRAINT notification_endpoints_disabled_check CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL)),
    CONSTRAINT notification_endpoints_failures_check CHECK (failures >= 0)
);
CREATE SEQUENCE tally.notification_turn_seq;

CREATE TABLE tally.notifications (
    user_id         uuid        NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    -- Sent as webhook-id: the same at every attempt and every endpoint.
    id              uuid        NOT NULL DEFAULT gen_random_uuid(),
    kind            text        NOT NULL,
    payload         jsonb       NOT NULL,
    -- Names the cause: one cause makes one notification.
    idempotency_key text        NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    -- Whether it was handed out to the endpoints that there were.
    is_handed_out   boolean     NOT NULL DEFAULT false,
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, idempotency_key),
    CONSTRAINT notifications_kind_check CHECK (kind ~ '^[a-z_]+(\.[a-z_]+)+$'),
    CONSTRAINT notifications_payload_check CHECK (jsonb_typeof(payload) = 'object')
);
CREATE INDEX notifications_waiting_idx ON tally.notifications (user_id, created_at) WHERE NOT is_handed_out;

CREATE TABLE tally.notification_deliveries (
    user_id         uuid        NOT NULL,
    notification_id uuid        NOT NULL,
    endpoint_id     uuid        NOT NULL,
    state           text        NOT NULL DEFAULT 'pending',
    -- Attempts begun; counted, in a committed transaction, before the request.
    attempts        integer     NOT NULL DEFAULT 0,
    not_before      timestamptz NOT NULL DEFAULT now(),
    -- The number of the last claim fences: who holds an older one writes nothing.
    claim           bigint      NOT NULL DEFAULT 0,
    claimed_until   timestamptz,
    last_status     smallint,
    last_error      text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    PRIMARY KEY (user_id, notification_id, endpoint_id),
    FOREIGN KEY (user_id, notification_id) REFERENCES tally.notifications (user_id, id) ON DELETE CASCADE,
    FOREIGN KEY (user_id, endpoint_id) REFERENCES tally.notification_endpoints (user_id, id) ON DELETE CASCADE,
    CONSTRAINT notification_deliveries_state_check CHECK (state IN ('pending', 'delivered', 'failed', 'cancelled')),
    CONSTRAINT notification_deliveries_attempts_check CHECK (attempts >= 0),
    CONSTRAINT notification_deliveries_claimed_check CHECK (claimed_until IS NULL OR state = 'pending'),
    CONSTRAINT notification_deliveries_finished_check CHECK ((state = 'pending') = (finished_at IS NULL)),
    CONSTRAINT notification_deliveries_status_check CHECK (last_status BETWEEN 100 AND 999),
    -- What went wrong in our words, never the receiver's.
    CONSTRAINT notification_deliveries_error_check CHECK (length(last_error) <= 200)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX notification_deliveries_due_idx ON tally.notification_deliveries (user_id, endpoint_id, not_before) WHERE state = 'pending';
-- The requests under way, however much waits behind them.
CREATE INDEX notification_deliveries_claimed_idx ON tally.notification_deliveries (user_id, endpoint_id, claimed_until) WHERE claimed_until IS NOT NULL;
CREATE INDEX notification_deliveries_failed_idx ON tally.notification_deliveries (user_id, endpoint_id) WHERE state IN ('failed', 'cancelled');

GRANT SELECT, INSERT, UPDATE, DELETE ON tally.notification_endpoints, tally.notifications, tally.notification_deliveries TO tallyline_worker;
GRANT USAGE, SELECT ON SEQUENCE tally.notification_turn_seq TO tallyline_worker;
