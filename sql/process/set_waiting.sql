-- Lets Twilio events wait for the execution of their call. $1 tenants, $2 inbox ids, $3 CallSids, $4 seconds from now.
UPDATE tally.inbox_pending p SET state = 'waiting', wait_key = w.call_sid, claims = 0,
    not_before = CASE WHEN p.state = 'waiting' THEN p.not_before ELSE now() + make_interval(secs => $4) END
FROM unnest($1::uuid[], $2::bigint[], $3::text[]) AS w (user_id, inbox_id, call_sid)
WHERE p.user_id = w.user_id AND p.inbox_id = w.inbox_id
