-- Returns how many requests of tenant $1 are under way and what its day $2 has cost so far. Read when its settings are locked,
-- hence right: the one who was at them before has committed.
SELECT (SELECT count(*) FROM tally.call_analyses a WHERE a.user_id = $1 AND a.state = 'claimed' AND a.claimed_until > now())
     + (SELECT count(*) FROM tally.contact_analyses a WHERE a.user_id = $1 AND a.state = 'claimed' AND a.claimed_until > now()) AS "running!",
       coalesce((SELECT p.spent_micros FROM tally.analysis_spend p WHERE p.user_id = $1 AND p.spent_on = $2), 0) AS "spent_micros!"
