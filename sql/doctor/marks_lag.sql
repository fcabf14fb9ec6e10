-- Returns a row when the oldest mark, but of buckets that fail, is older than $1 seconds, with the command that starts a worker.
SELECT format('the oldest mark is %s s old', extract(epoch FROM now() - min(m.marked_at))::bigint), 'tallyline run --roles worker'
FROM tally.rollup_marks m
WHERE NOT EXISTS (
    SELECT FROM tally.rollup_buckets b
    WHERE b.user_id = m.user_id AND b.tier = m.tier AND b.bucket_start = m.bucket_start AND b.failures > 0)
HAVING min(m.marked_at) < now() - make_interval(secs => $1)
