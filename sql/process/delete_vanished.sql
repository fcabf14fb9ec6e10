-- Removes what earlier folds wrote of calls and the last one did not: dials whose events turned out to be of another attempt,
-- legs that got a name, CallSids that turned out to be of a leg.
-- $1 calls as JSON: user_id, call_id, attempts (numbers), legs (keys), call_sids.
WITH k AS MATERIALIZED (
    SELECT r.user_id, r.call_id, r.attempts, r.legs, r.call_sids
    FROM jsonb_to_recordset($1::jsonb) AS r (user_id uuid, call_id uuid, attempts integer[], legs text[], call_sids text[])
), dials AS (
    DELETE FROM tally.call_attempts a USING k
    WHERE a.user_id = k.user_id AND a.call_id = k.call_id AND a.attempt <> ALL (k.attempts)
), legs AS (
    DELETE FROM tally.call_legs l USING k
    WHERE l.user_id = k.user_id AND l.call_id = k.call_id AND l.leg_key <> ALL (k.legs)
)
DELETE FROM tally.call_aliases a USING k
WHERE a.user_id = k.user_id AND a.call_id = k.call_id AND a.call_sid <> ALL (k.call_sids)
