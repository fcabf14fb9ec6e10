-- Asks again for analyses of tenant $1 that ended, by the provider that it has now; returns how many. $2 a call, or null for
-- all that failed. The result is later than any before.
WITH again AS (
    UPDATE tally.call_analyses a SET
        state = 'pending', provider = s.provider, analyzed_at = a.analyzed_at + interval '1 millisecond', attempts = 0,
        not_before = '-infinity', error_code = NULL, error_detail = NULL, finished_at = NULL
    FROM tally.analysis_settings s
    WHERE a.user_id = $1 AND s.user_id = a.user_id AND s.provider IN ('bolna', 'openai', 'rules')
      AND a.state IN ('succeeded', 'failed', 'skipped')
      AND (a.call_id = $2 OR ($2::uuid IS NULL AND a.state = 'failed'))
    RETURNING a.user_id, a.call_id
), said AS (
    UPDATE public.transcripts t SET analysis_status = 'pending'
    FROM again g
    WHERE t.user_id = g.user_id AND t.call_id = g.call_id AND t.analysis_status IN ('failed', 'skipped', 'off')
)
SELECT count(*) AS "retried!" FROM again
