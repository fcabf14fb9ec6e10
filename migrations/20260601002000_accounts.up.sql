-- Accounts: sessions whose refresh token rotates, tokens for programs.

ALTER TABLE public.user_sessions
    ADD COLUMN previous_refresh_hash varchar(255),
    ADD COLUMN rotated_at            timestamptz;
COMMENT ON COLUMN public.user_sessions.previous_refresh_hash IS
    'The refresh token before the present one. Two requests may use it at the same moment; later it is a stolen one.';

CREATE TABLE tally.api_tokens (
    user_id      uuid        NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    id           uuid        NOT NULL DEFAULT gen_random_uuid(),
    name         text        NOT NULL CONSTRAINT api_tokens_name_check CHECK (name <> '' AND length(name) <= 100),
    token_hash   text        NOT NULL,
    may_change   boolean     NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz,
    PRIMARY KEY (user_id, id)
);
COMMENT ON TABLE tally.api_tokens IS 'Tokens for programs; each may do what its account may, or only read.';
COMMENT ON COLUMN tally.api_tokens.last_used_at IS 'To the minute.';
GRANT SELECT, INSERT, UPDATE, DELETE ON tally.api_tokens TO tallyline_worker;
