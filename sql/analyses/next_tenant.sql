-- Takes the settings of the tenant whose turn it is and that has analyses due; returns them with the present time and the end
-- of the tenant's day. $1 endpoints that are not to be called, $2 tenants that are to be left alone.
SELECT s.user_id, s.provider, s.base_url, s.model, s.sealed_api_key, s.max_output_tokens, s.input_price_micros,
       s.output_price_micros, s.daily_cap_micros, s.concurrency, u.timezone, u.score_scale, u.dimension_scale,
       now() AS "now!", d.date AS "today!", d.bucket_end AS "day_end!"
FROM tally.analysis_settings s
JOIN public.users u ON u.id = s.user_id
CROSS JOIN LATERAL (
    SELECT k.date, k.bucket_end FROM tally.calendar k
    WHERE k.zone = u.timezone AND k.grain = 'day' AND k.bucket_start <= now()
    ORDER BY k.bucket_start DESC LIMIT 1
) d
WHERE s.provider IN ('bolna', 'openai', 'rules')
  AND (s.provider <> 'openai' OR (s.base_url <> ALL ($1::text[]) AND s.user_id <> ALL ($2::uuid[])))
  AND (EXISTS (SELECT FROM tally.call_analyses a
               WHERE a.user_id = s.user_id AND a.provider = s.provider AND a.state = 'pending' AND a.not_before <= now())
       OR EXISTS (SELECT FROM tally.call_analyses a
                  WHERE a.user_id = s.user_id AND a.provider = s.provider AND a.state = 'claimed' AND a.claimed_until <= now())
       OR (s.provider = 'openai' AND (
           EXISTS (SELECT FROM tally.contact_analyses a WHERE a.user_id = s.user_id AND a.state = 'pending' AND a.not_before <= now())
           OR EXISTS (SELECT FROM tally.contact_analyses a
                      WHERE a.user_id = s.user_id AND a.state = 'claimed' AND a.claimed_until <= now()))))
  AND (s.provider <> 'openai' OR s.concurrency > (
      (SELECT count(*) FROM tally.call_analyses a WHERE a.user_id = s.user_id AND a.state = 'claimed' AND a.claimed_until > now())
      + (SELECT count(*) FROM tally.contact_analyses a WHERE a.user_id = s.user_id AND a.state = 'claimed' AND a.claimed_until > now())))
ORDER BY s.turn, s.user_id
LIMIT 1
FOR UPDATE OF s SKIP LOCKED
