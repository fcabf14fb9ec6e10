-- Returns whether an event is still to be applied (waiting ones aside) or a bucket to be recomputed.
SELECT EXISTS (SELECT FROM tally.inbox_pending WHERE state = 'ready')
    OR EXISTS (SELECT FROM tally.rollup_marks) AS "unsettled!"
