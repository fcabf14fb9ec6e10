-- What the verification found: one row a figure that was not as it should be.
--
-- Written by `audit_rollups` (samples) and `verify_rollups` (everything), kept for a
-- time after the figure itself has been put right, so that what was wrong stays known.

CREATE TABLE tally.audit_differences (
    user_id         uuid        NOT NULL,
    id              uuid        NOT NULL DEFAULT gen_random_uuid(),
    detected_at     timestamptz NOT NULL DEFAULT now(),
    found_by        text        NOT NULL,
    -- Null for money, which lies in no bucket.
    tier            smallint,
    bucket_start    timestamptz,
    bucket_end      timestamptz,
    -- Null for the tenant's own rows.
    agent_id        uuid,
    figure          text        NOT NULL,
    compared_with   text        NOT NULL,
    -- As texts, since a figure may be a number, a digest, a time or a name; null for what is not there.
    expected        text,
    found           text,
    explanation     text,
    call_ids        uuid[]      NOT NULL DEFAULT '{}',
    PRIMARY KEY (user_id, id),
    CONSTRAINT audit_differences_found_by_check CHECK (found_by IN ('sample', 'full')),
    CONSTRAINT audit_differences_tier_check CHECK (tier BETWEEN 0 AND 3),
    CONSTRAINT audit_differences_bucket_check CHECK ((tier IS NULL) = (bucket_start IS NULL)),
    CONSTRAINT audit_differences_compared_with_check CHECK (compared_with IN ('calls', 'children', 'agents', 'ledger')),
    CONSTRAINT audit_differences_values_check CHECK (expected IS DISTINCT FROM found),
    CONSTRAINT audit_differences_explanation_check CHECK (explanation IN ('missing', 'counted_twice', 'changed_last', 'children')),
    CONSTRAINT audit_differences_call_ids_check CHECK (cardinality(call_ids) <= 20)
);
COMMENT ON COLUMN tally.audit_differences.call_ids IS 'Calls that explain the difference: the one that is missing or counted twice, else those of the bucket that changed last.';
CREATE INDEX audit_differences_bucket_idx ON tally.audit_differences (user_id, tier, bucket_start);
CREATE INDEX audit_differences_detected_at_idx ON tally.audit_differences (detected_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON tally.audit_differences TO tallyline_worker;

-- A tenant that goes takes its differences along.
CREATE FUNCTION tally.forget_audit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
BEGIN
    DELETE FROM tally.audit_differences WHERE user_id IN (SELECT id FROM old_rows);
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION tally.forget_audit() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tally.forget_audit() TO tallyline_worker;
CREATE TRIGGER users_forget_audit AFTER DELETE ON public.users
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tally.forget_audit();
