-- Writes the legs of calls that are no dials of them. $1 rows of tally.call_legs as JSON.
INSERT INTO tally.call_legs AS l (
    user_id, call_id, leg_key, kind, lifecycle, outcome, duration_seconds, cost_reported, to_number, from_number, recording_url,
    hangup_by, hangup_reason, hangup_provider_code, termination_reason, started_at, ended_at)
SELECT r.user_id, r.call_id, r.leg_key, r.kind, r.lifecycle, r.outcome, r.duration_seconds, r.cost_reported, r.to_number,
       r.from_number, r.recording_url, r.hangup_by, r.hangup_reason, r.hangup_provider_code, r.termination_reason, r.started_at, r.ended_at
FROM jsonb_to_recordset($1::jsonb) AS r (
    user_id uuid, call_id uuid, leg_key text, kind text, lifecycle text, outcome text, duration_seconds integer,
    cost_reported numeric, to_number text, from_number text, recording_url text, hangup_by text, hangup_reason text,
    hangup_provider_code bigint, termination_reason text, started_at timestamptz, ended_at timestamptz)
ORDER BY r.user_id, r.call_id, r.leg_key
ON CONFLICT (user_id, call_id, leg_key) DO UPDATE SET (
    kind, lifecycle, outcome, duration_seconds, cost_reported, to_number, from_number, recording_url, hangup_by, hangup_reason,
    hangup_provider_code, termination_reason, started_at, ended_at
) = (
    EXCLUDED.kind, EXCLUDED.lifecycle, EXCLUDED.outcome, EXCLUDED.duration_seconds, EXCLUDED.cost_reported, EXCLUDED.to_number,
    EXCLUDED.from_number, EXCLUDED.recording_url, EXCLUDED.hangup_by, EXCLUDED.hangup_reason, EXCLUDED.hangup_provider_code,
    EXCLUDED.termination_reason, EXCLUDED.started_at, EXCLUDED.ended_at
)
WHERE (
    l.kind, l.lifecycle, l.outcome, l.duration_seconds, l.cost_reported, l.to_number, l.from_number, l.recording_url, l.hangup_by,
    l.hangup_reason, l.hangup_provider_code, l.termination_reason, l.started_at, l.ended_at
) IS DISTINCT FROM (
    EXCLUDED.kind, EXCLUDED.lifecycle, EXCLUDED.outcome, EXCLUDED.duration_seconds, EXCLUDED.cost_reported, EXCLUDED.to_number,
    EXCLUDED.from_number, EXCLUDED.recording_url, EXCLUDED.hangup_by, EXCLUDED.hangup_reason, EXCLUDED.hangup_provider_code,
    EXCLUDED.termination_reason, EXCLUDED.started_at, EXCLUDED.ended_at
)
