-- Removes calls of tenant $1 that are frozen, at most $2, with what hangs on them and the facts of their events; returns
-- them. What they come to stays in the sums of their contacts, ledger entries stay as they are, follow-ups stay without
-- their call. Needs tally.removing_frozen = on. The calls are locked: removed by two at once, they would be summed twice.
WITH batch AS (
    SELECT c.user_id, c.id, c.contact_id, c.started_at, c.outcome, c.duration_seconds, c.duration_minutes, c.credits_micros, c.cost_micros,
           c.busy_dials, c.no_answer_dials, c.failed_dials, c.unanswered_sids
    FROM public.calls c
    WHERE c.user_id = $1 AND c.started_at < tally.frozen_before($1)
    ORDER BY c.started_at
    LIMIT $2
    FOR UPDATE
), kept AS (
    UPDATE public.follow_ups f SET call_id = NULL FROM batch b WHERE f.user_id = b.user_id AND f.call_id = b.id
), events AS (
    DELETE FROM tally.call_events e USING batch b WHERE e.user_id = b.user_id AND e.call_id = b.id
), summed AS (
    INSERT INTO tally.contact_archive AS a (user_id, contact_id, total_calls, answered_calls, talk_seconds, total_minutes,
        credits_micros, cost_micros, leads, busy_dials, no_answer_dials, failed_dials, unanswered_sids, first_call_at, last_call_at)
    SELECT b.user_id, b.contact_id, count(*), count(*) FILTER (WHERE b.outcome = 'answered'), sum(b.duration_seconds),
           sum(b.duration_minutes), sum(b.credits_micros), sum(b.cost_micros),
           count(*) FILTER (WHERE EXISTS (SELECT FROM public.lead_analytics l
                                          WHERE l.user_id = b.user_id AND l.call_id = b.id AND l.analysis_type = 'individual')),
           sum(b.busy_dials), sum(b.no_answer_dials), sum(b.failed_dials), sum(b.unanswered_sids), min(b.started_at), max(b.started_at)
    FROM batch b
    WHERE b.contact_id IS NOT NULL
    GROUP BY 1, 2
    ORDER BY 1, 2
    ON CONFLICT (user_id, contact_id) DO UPDATE SET
        total_calls = a.total_calls + EXCLUDED.total_calls, answered_calls = a.answered_calls + EXCLUDED.answered_calls,
        talk_seconds = a.talk_seconds + EXCLUDED.talk_seconds, total_minutes = a.total_minutes + EXCLUDED.total_minutes,
        credits_micros = a.credits_micros + EXCLUDED.credits_micros, cost_micros = a.cost_micros + EXCLUDED.cost_micros,
        leads = a.leads + EXCLUDED.leads, busy_dials = a.busy_dials + EXCLUDED.busy_dials,
        no_answer_dials = a.no_answer_dials + EXCLUDED.no_answer_dials, failed_dials = a.failed_dials + EXCLUDED.failed_dials,
        unanswered_sids = a.unanswered_sids + EXCLUDED.unanswered_sids,
        first_call_at = least(a.first_call_at, EXCLUDED.first_call_at), last_call_at = greatest(a.last_call_at, EXCLUDED.last_call_at)
)
DELETE FROM public.calls c USING batch b WHERE c.user_id = b.user_id AND c.id = b.id
RETURNING c.id
