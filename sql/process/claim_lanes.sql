-- Claims the lanes whose turn it is and that have events due; returns them with the batches begun since the last that ended.
-- Committed before the work, so that a batch that kills its worker is counted. $1 lanes, $2 this turn's number.
UPDATE tally.lanes l SET claims = l.claims + 1, turn = $2
WHERE l.user_id IN (
    SELECT c.user_id
    FROM tally.lanes c
    WHERE EXISTS (
        SELECT FROM tally.inbox_pending p WHERE p.user_id = c.user_id AND p.not_before <= now()
    )
    ORDER BY c.turn, c.user_id
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)
RETURNING l.user_id, l.claims
