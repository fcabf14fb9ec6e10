-- Returns what counts against a sign-in to e-mail $1 from the network $2: failures of the last $3 minutes by the pair since its
-- last success, by the network, and by the account from networks that never got in during the last 30 days; and whether this one has.
SELECT count(*) FILTER (WHERE email = $1 AND ip_address <<= $2::text::inet AND attempted_at > coalesce((
        SELECT max(s.attempted_at) FROM public.login_attempts s
        WHERE s.email = $1 AND s.success AND s.ip_address <<= $2::text::inet), '-infinity')) AS "of_pair!",
    count(*) FILTER (WHERE ip_address <<= $2::text::inet) AS "of_network!",
    count(*) FILTER (WHERE email = $1) AS "of_account!",
    EXISTS (SELECT FROM public.login_attempts k
            WHERE k.email = $1 AND k.success AND k.ip_address <<= $2::text::inet
                AND k.attempted_at > now() - interval '30 days') AS "is_known!"
FROM public.login_attempts
WHERE attempted_at > now() - make_interval(mins => $3) AND NOT success AND failure_reason <> 'locked'
    AND (email = $1 OR ip_address <<= $2::text::inet)
