CREATE OR REPLACE FUNCTION tally.mark_truncated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
BEGIN
    INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
    SELECT DISTINCT user_id, 0, bucket_start FROM tally.quarter_rollups;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION tally.mark_calls_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, tally AS $$
BEGIN
    INSERT INTO tally.rollup_marks (user_id, tier, bucket_start)
    SELECT DISTINCT user_id, 0, tally.quarter_of(started_at) FROM old_rows;
    RETURN NULL;
END $$;
