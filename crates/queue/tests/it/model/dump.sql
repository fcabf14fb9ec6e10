-- Returns what the queue's tables hold as sorted lines of text; times in units of a thousand seconds from now.
WITH line AS (
    SELECT concat_ws('|', 'job', id, kind, queue, coalesce(user_id, '00000000-0000-0000-0000-000000000000'),
        'coalesce=' || coalesce(coalesce_key, '-'), 'priority=' || priority,
        'due=' || round(extract(epoch FROM run_at - now()) / 1000)::int, 'attempt=' || attempt || '/' || max_attempts,
        'claims=' || claims, 'lost=' || lost, 'open=' || requested,
        'unique=' || coalesce(unique_key || ' ' || unique_scope, '-'), state,
        'by=' || coalesce(lease_id::text, '-'), 'generation=' || coalesce(claimed_generation::text, '-'),
        'deadline=' || coalesce(round(extract(epoch FROM deadline_at - now()) / 1000)::int::text, '-'),
        'permit=' || coalesce(permit_slot::text, '-'), CASE WHEN cancel_requested_at IS NOT NULL THEN 'cancel' END) AS text
    FROM tally.jobs
    UNION ALL
    -- An expired key is as good as none.
    SELECT concat_ws('|', 'key', kind, tenant, key, job_id,
        coalesce(round(extract(epoch FROM expires_at - now()) / 1000)::int::text, '-'))
    FROM tally.job_keys
    WHERE expires_at IS NULL OR expires_at > now()
    UNION ALL
    SELECT concat_ws('|', 'permit', queue, tenant, slot, job_id, claim, lease_id)
    FROM tally.job_permits
    WHERE job_id IS NOT NULL
    UNION ALL
    SELECT concat_ws('|', 'history', job_id, claim, outcome, attempt, coalesce(lease_id::text, '-'))
    FROM tally.job_history
    UNION ALL
    SELECT concat_ws('|', 'dead', job_id, claims, attempts)
    FROM tally.dead_jobs
    UNION ALL
    SELECT concat_ws('|', 'lease', lease_id, round(extract(epoch FROM expires_at - now()) / 1000)::int)
    FROM tally.job_leases
    UNION ALL
    SELECT concat_ws('|', 'paused queue', queue) FROM tally.paused_queues
    UNION ALL
    SELECT concat_ws('|', 'paused kind', kind) FROM tally.paused_kinds
    UNION ALL
    SELECT concat_ws('|', 'cap', queue, tenant_cap) FROM tally.queue_caps
)
SELECT coalesce(string_agg(text, E'\n' ORDER BY text COLLATE "C"), '') FROM line
