-- Writes a notice for each follow-up that has come due and was not reminded of, at most $3; returns how many were looked at. Others'
-- rows are passed by, so two runs at once share the work. $1 the moment, $2 the local hour from which a day's reminders go out.
WITH due AS (
    SELECT f.user_id, f.id
    FROM public.users u
    CROSS JOIN LATERAL (
        SELECT ($1::timestamptz + o.utc_offset) AT TIME ZONE 'UTC' AS local_time
        FROM tally.zone_offsets o
        WHERE o.zone = u.timezone AND o.period_start <= $1::timestamptz
        ORDER BY o.period_start DESC LIMIT 1
    ) l
    JOIN public.follow_ups f ON f.user_id = u.id AND f.follow_up_date <= l.local_time::date
    WHERE u.is_active AND f.follow_up_status = 'pending' AND f.reminded_date IS DISTINCT FROM f.follow_up_date
      AND f.follow_up_date + make_interval(hours => $2::integer) <= l.local_time
    LIMIT $3
    FOR NO KEY UPDATE OF f SKIP LOCKED
), reminded AS (
    UPDATE public.follow_ups f SET reminded_date = f.follow_up_date
    FROM due d
    WHERE f.user_id = d.user_id AND f.id = d.id
    RETURNING f.*
), told AS (
    INSERT INTO tally.notifications (user_id, kind, payload, idempotency_key)
    SELECT r.user_id, 'follow_up.due',
           jsonb_build_object('follow_up_id', r.id, 'follow_up_date', r.follow_up_date, 'call_id', r.call_id, 'lead_name', r.lead_name,
               'lead_phone', coalesce(r.phone_e164, r.lead_phone), 'lead_email', r.lead_email, 'remark', r.remark),
           format('follow_up.due:%s:%s', r.id, to_char(r.follow_up_date, 'YYYY-MM-DD'))
    FROM reminded r
    -- Reminded of this date before, then moved away and back.
    ON CONFLICT (user_id, idempotency_key) DO NOTHING
    RETURNING 1
)
SELECT (SELECT count(*) FROM reminded) AS "due!", (SELECT count(*) FROM told) AS "told!"
