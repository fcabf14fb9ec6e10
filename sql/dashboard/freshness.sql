-- Returns how far the figures of the tenant $1 lag: what waits (counted up to $2), since when, and the clock.
-- What waits in a spool may be anybody's. One statement, so one snapshot: an event on its way from the inbox to a mark is seen in one of both.
SELECT now() AS "now!",
       (SELECT count(*) FROM (SELECT FROM tally.inbox_pending WHERE user_id = $1 LIMIT $2) p) AS "waiting_events!",
       least((SELECT min(received_at) FROM tally.inbox_pending WHERE user_id = $1),
             (SELECT min(oldest_received_at) FROM tally.spools)) AS oldest_event_at,
       (SELECT count(*) FROM (SELECT FROM tally.rollup_marks WHERE user_id = $1 LIMIT $2) m) AS "marks!",
       (SELECT min(marked_at) FROM tally.rollup_marks WHERE user_id = $1) AS oldest_mark_at,
       (SELECT count(*) FROM (SELECT FROM tally.quarantine WHERE user_id = $1 LIMIT $2) q) AS "quarantined!"
