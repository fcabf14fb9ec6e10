-- Writes the dials of calls. $1 rows of tally.call_attempts as JSON.
INSERT INTO tally.call_attempts AS a (user_id, call_id, attempt, lifecycle, outcome, call_sid, started_at, ended_at, duration_seconds)
SELECT r.user_id, r.call_id, r.attempt, r.lifecycle, r.outcome, r.call_sid, r.started_at, r.ended_at, r.duration_seconds
FROM jsonb_to_recordset($1::jsonb) AS r (
    user_id uuid, call_id uuid, attempt integer, lifecycle text, outcome text, call_sid text, started_at timestamptz,
    ended_at timestamptz, duration_seconds integer)
ORDER BY r.user_id, r.call_id, r.attempt
ON CONFLICT (user_id, call_id, attempt) DO UPDATE SET (lifecycle, outcome, call_sid, started_at, ended_at, duration_seconds) = (
    EXCLUDED.lifecycle, EXCLUDED.outcome, EXCLUDED.call_sid, EXCLUDED.started_at, EXCLUDED.ended_at, EXCLUDED.duration_seconds)
WHERE (a.lifecycle, a.outcome, a.call_sid, a.started_at, a.ended_at, a.duration_seconds) IS DISTINCT FROM (
    EXCLUDED.lifecycle, EXCLUDED.outcome, EXCLUDED.call_sid, EXCLUDED.started_at, EXCLUDED.ended_at, EXCLUDED.duration_seconds)
