-- Takes marked units a tier up whose marks are consumed, and past the months to done; returns how many.
-- A tier's marks that were there are consumed in the transaction that marks the parents, so those have a seq by now that lies below the
-- sequence's end. Marks that came later are not waited for: a day on which calls come in would never be done.
WITH ready AS MATERIALIZED (
    SELECT u.user_id, u.backfill_id, u.from_time, u.wait_tier
    FROM tally.backfill_units u
    WHERE u.state = 'marked' AND NOT EXISTS (
        SELECT FROM tally.rollup_marks m
        WHERE m.user_id = u.user_id AND m.tier = u.wait_tier AND m.seq <= u.wait_seq
          -- The month that holds the days began before them.
          AND m.bucket_start >= CASE u.wait_tier WHEN 3 THEN u.from_time - interval '32 days' ELSE u.from_time END
          AND m.bucket_start < u.to_time)
    FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE tally.backfill_units u
    SET state = CASE r.wait_tier WHEN 3 THEN 'done' ELSE 'marked' END,
        wait_tier = CASE r.wait_tier WHEN 3 THEN NULL ELSE r.wait_tier + 1 END,
        wait_seq = CASE r.wait_tier WHEN 3 THEN NULL ELSE s.last_value END,
        work_seconds = extract(epoch FROM s.at - u.not_before)::float8,
        finished_at = CASE r.wait_tier WHEN 3 THEN s.at END
    FROM ready r CROSS JOIN (SELECT last_value, clock_timestamp() AS at FROM tally.rollup_mark_seq) s
    WHERE u.user_id = r.user_id AND u.backfill_id = r.backfill_id AND u.from_time = r.from_time
    RETURNING 1
)
SELECT count(*) AS "units!" FROM moved
