-- Returns whether an event is still to be applied, an analysis to be made (those that wait by intention aside) or a bucket to
-- be recomputed.
SELECT EXISTS (SELECT FROM tally.inbox_pending WHERE state = 'ready')
    OR EXISTS (SELECT FROM tally.rollup_marks)
    OR EXISTS (
        SELECT FROM tally.call_analyses a JOIN tally.analysis_settings s ON s.user_id = a.user_id
        WHERE a.state IN ('pending', 'claimed') AND a.wait_reason IS NULL AND s.provider IN ('bolna', 'openai', 'rules')
    ) AS "unsettled!"
