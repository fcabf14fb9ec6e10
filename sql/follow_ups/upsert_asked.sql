-- Writes the follow-ups that analyses ask for, one a call; returns nothing. One that was changed by hand, completed or cancelled stays
-- as it is. $1 rows as JSON, $2 days after the call's local date where the analysis names no time.
INSERT INTO public.follow_ups AS f (user_id, id, call_id, source, lead_phone, phone_e164, lead_email, lead_name, remark, follow_up_date)
SELECT r.user_id, r.id, r.call_id, 'analysis', r.lead_phone, r.phone_e164, r.lead_email, r.lead_name, r.remark,
       coalesce(r.follow_up_date, CASE WHEN r.follow_up_at IS NULL THEN l.date + $2::integer ELSE l.date END)
FROM jsonb_to_recordset($1::jsonb) AS r (
    user_id uuid, call_id uuid, id uuid, started_at timestamptz, follow_up_at timestamptz, follow_up_date date,
    lead_phone text, phone_e164 text, lead_email text, lead_name text, remark text)
JOIN public.users u ON u.id = r.user_id
-- The tenant's day at that moment; far-off moments have the last offset that is known.
CROSS JOIN LATERAL (
    SELECT ((coalesce(r.follow_up_at, r.started_at) + coalesce((
        SELECT o.utc_offset FROM tally.zone_offsets o
        WHERE o.zone = u.timezone AND o.period_start <= coalesce(r.follow_up_at, r.started_at)
        ORDER BY o.period_start DESC LIMIT 1), interval '0')) AT TIME ZONE 'UTC')::date AS date
) l
ORDER BY r.user_id, r.call_id
ON CONFLICT (user_id, call_id) WHERE source = 'analysis' DO UPDATE SET (lead_phone, phone_e164, lead_email, lead_name, remark, follow_up_date) = (
    EXCLUDED.lead_phone, EXCLUDED.phone_e164, EXCLUDED.lead_email, EXCLUDED.lead_name, EXCLUDED.remark, EXCLUDED.follow_up_date)
WHERE f.follow_up_status = 'pending' AND f.edited_at IS NULL
  AND (f.lead_phone, f.phone_e164, f.lead_email, f.lead_name, f.remark, f.follow_up_date) IS DISTINCT FROM (
    EXCLUDED.lead_phone, EXCLUDED.phone_e164, EXCLUDED.lead_email, EXCLUDED.lead_name, EXCLUDED.remark, EXCLUDED.follow_up_date)
