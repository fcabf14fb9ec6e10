-- Reconciliation: a tenant's accounts at its providers, and what has been asked of them.

CREATE TABLE tally.provider_accounts (
    user_id             uuid        NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    provider            text        NOT NULL,
    base_url            text        NOT NULL,
    account_sid         text,
    -- Bolna's API key or Twilio's auth token; sealed for this tenant, provider, address and account, so that it
    -- cannot be sent anywhere else by changing the row.
    sealed_key          bytea       NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT now(),
    disabled_at         timestamptz,
    disabled_reason     text,
    -- Everything that the provider has listed up to this moment was read and stored.
    reconciled_until    timestamptz,
    last_run_at         timestamptz,
    last_error          text,
    PRIMARY KEY (user_id, provider),
    CONSTRAINT provider_accounts_provider_check CHECK (provider IN ('bolna', 'twilio')),
    CONSTRAINT provider_accounts_base_url_check CHECK (base_url ~ '^(https://[^@]+|http://(127\.[0-9.]+|localhost|\[::1\])(:[0-9]+)?(/[^@]*)?)$'),
    CONSTRAINT provider_accounts_account_sid_check CHECK (
        CASE provider WHEN 'twilio' THEN account_sid IS NOT NULL AND account_sid ~ '^AC[0-9a-f]{32}$' ELSE account_sid IS NULL END),
    CONSTRAINT provider_accounts_disabled_check CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL)),
    CONSTRAINT provider_accounts_disabled_reason_check CHECK (disabled_reason ~ '^[a-z0-9_]{3,40}$'),
    CONSTRAINT provider_accounts_last_error_check CHECK (last_error ~ '^[a-z0-9_]{3,40}$')
);

-- What a provider was asked about one execution or CallSid: when it may be asked again, and what it did not know.
CREATE TABLE tally.provider_checks (
    user_id             uuid        NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    provider            text        NOT NULL,
    -- The execution id or the CallSid.
    ref                 text        NOT NULL,
    result              text        NOT NULL,
    -- Status and seconds of Bolna's list when the execution was fetched: what is listed alike is not fetched again.
    listed              text,
    checks              integer     NOT NULL DEFAULT 1,
    first_checked_at    timestamptz NOT NULL,
    checked_at          timestamptz NOT NULL,
    next_check_at       timestamptz NOT NULL,
    PRIMARY KEY (user_id, provider, ref),
    CONSTRAINT provider_checks_provider_check CHECK (provider IN ('bolna', 'twilio')),
    CONSTRAINT provider_checks_result_check CHECK (result IN ('found', 'unknown', 'refused')),
    CONSTRAINT provider_checks_checks_check CHECK (checks > 0)
);
CREATE INDEX provider_checks_checked_at_idx ON tally.provider_checks (checked_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON tally.provider_accounts, tally.provider_checks TO tallyline_worker;
