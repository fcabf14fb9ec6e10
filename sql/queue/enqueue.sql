-- Adds jobs in the order given and returns their ids in that order.
INSERT INTO tally.jobs (kind, queue, user_id, payload, priority, run_at, max_attempts, created_at, trace)
SELECT n.kind, n.queue, n.user_id, n.payload, n.priority, now() + n.delay_seconds * interval '1 second',
    n.max_attempts, now(), n.trace
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::jsonb[], $5::smallint[], $6::float8[], $7::int[], $8::text[])
    WITH ORDINALITY AS n (kind, queue, user_id, payload, priority, delay_seconds, max_attempts, trace, position)
ORDER BY n.position
RETURNING id
