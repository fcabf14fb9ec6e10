-- Returns how many analyses are to be made, by what they wait for, and how many contacts are to be folded.
SELECT count(*) FILTER (WHERE w.state = 'pending' AND w.wait_reason IS NULL) AS "due!",
       count(*) FILTER (WHERE w.state = 'claimed') AS "claimed!",
       count(*) FILTER (WHERE w.wait_reason = 'retry') AS "retry!",
       count(*) FILTER (WHERE w.wait_reason = 'spending_cap') AS "spending_cap!",
       (SELECT count(*) FROM (SELECT DISTINCT m.user_id, m.contact_id FROM tally.lead_marks m) d) AS "folds!"
FROM (
    SELECT state, wait_reason FROM tally.call_analyses WHERE state IN ('pending', 'claimed')
    UNION ALL SELECT state, wait_reason FROM tally.contact_analyses WHERE state IN ('pending', 'claimed')
) w
