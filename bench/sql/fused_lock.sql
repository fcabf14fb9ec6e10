-- The mutation `fused`: put in front of quarter_upsert.sql. Waits a moment and locks, after the statement's snapshot was taken.
WITH held AS MATERIALIZED (
    SELECT k.user_id, k.bucket_start, k.generation + 1 AS generation
    FROM tally.rollup_buckets k
    WHERE k.tier = 0 AND (k.user_id, k.bucket_start) IN (SELECT * FROM unnest($1::uuid[], $2::timestamptz[]))
    ORDER BY k.user_id, k.bucket_start
    FOR UPDATE
), waited AS MATERIALIZED (
    SELECT pg_sleep(random() * 0.02) FROM (SELECT count(*) FROM held) h
), taken AS (
    DELETE FROM tally.rollup_marks m USING held, waited
    WHERE m.user_id = held.user_id AND m.tier = 0 AND m.bucket_start = held.bucket_start
    RETURNING 1
), locked AS MATERIALIZED (
    SELECT held.user_id, held.bucket_start, held.generation FROM held, (SELECT count(*) FROM taken) t
)
