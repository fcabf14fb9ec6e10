-- Two gaps of the marks.

-- A tenant that goes takes its calls along, and their trigger runs after
-- users_forget has cleaned up: what it marked then, nobody removed. Nothing is to
-- be marked for a tenant that is gone.
CREATE OR REPLACE FUNCTION tally.mark_calls_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
BEGIN
    INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
    SELECT o.user_id, 0, o.bucket_start
    FROM (SELECT DISTINCT user_id, tally.quarter_of(started_at) AS bucket_start FROM old_rows) o
    WHERE EXISTS (SELECT FROM public.users u WHERE u.id = o.user_id);
    RETURN NULL;
END $$;

-- And the lock rows that such marks have left so far.
DELETE FROM tally.rollup_marks m WHERE NOT EXISTS (SELECT FROM public.users u WHERE u.id = m.user_id);
DELETE FROM tally.rollup_buckets b WHERE NOT EXISTS (SELECT FROM public.users u WHERE u.id = b.user_id);

-- TRUNCATE has no old rows: every bucket that holds a figure is marked. An older
-- snapshot does not show those that were rolled up since.
CREATE OR REPLACE FUNCTION tally.mark_truncated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION '% is truncated in READ COMMITTED only, so that every bucket is seen that it empties', TG_TABLE_NAME
            USING ERRCODE = 'feature_not_supported';
    END IF;
    INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
    SELECT DISTINCT user_id, 0, bucket_start FROM tally.quarter_rollups;
    RETURN NULL;
END $$;
