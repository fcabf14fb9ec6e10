-- Replays the dead letters $1; returns for each that was there its job, and the live job that does its work now.
WITH chosen AS MATERIALIZED (
    SELECT d.* FROM tally.dead_jobs d WHERE d.dead_id = ANY ($1) ORDER BY d.dead_id FOR UPDATE SKIP LOCKED
), removed AS (
    DELETE FROM tally.dead_jobs WHERE dead_id = ANY (ARRAY(SELECT dead_id FROM chosen))
), newest AS (
    -- One row per key. Of the letters of one job the last has the most claims,
    -- and the row goes on counting from there.
    SELECT DISTINCT ON (kind, user_id, coalesce_key, CASE WHEN coalesce_key IS NULL THEN dead_id END) *
    FROM chosen
    ORDER BY kind, user_id, coalesce_key, CASE WHEN coalesce_key IS NULL THEN dead_id END, dead_id DESC
), added AS (
    INSERT INTO tally.jobs AS held
        (id, kind, queue, user_id, coalesce_key, payload, priority, run_at, max_attempts, claims, created_at, trace)
    SELECT job_id, kind, queue, user_id, coalesce_key, payload, priority, now(), max_attempts, claims, now(), trace
    FROM newest
    ORDER BY kind, user_id, coalesce_key, job_id
    -- Somebody asked for the key again meanwhile: the letter is one more request.
    ON CONFLICT (kind, user_id, coalesce_key) WHERE coalesce_key IS NOT NULL
    DO UPDATE SET
        requested = held.requested + 1,
        run_at = CASE
            WHEN held.state = 'claimed' AND held.requested = held.claimed_generation THEN EXCLUDED.run_at
            ELSE LEAST(held.run_at, EXCLUDED.run_at)
        END
    RETURNING id, kind, user_id, coalesce_key
)
SELECT c.dead_id AS "dead_id!", c.job_id AS "job_id!", c.user_id AS tenant, a.id AS "now_id!"
FROM chosen c
JOIN added a ON CASE WHEN c.coalesce_key IS NULL THEN a.id = c.job_id ELSE a.coalesce_key = c.coalesce_key END
    AND a.kind = c.kind AND a.user_id IS NOT DISTINCT FROM c.user_id
ORDER BY c.dead_id
