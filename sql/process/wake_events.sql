-- Ends the waiting of Twilio events for which the batch has no room; the next batch applies them. $1 tenants, $2 inbox ids.
UPDATE tally.inbox_pending p SET state = 'ready', wait_key = NULL, not_before = '-infinity'
FROM unnest($1::uuid[], $2::bigint[]) AS w (user_id, inbox_id)
WHERE p.user_id = w.user_id AND p.inbox_id = w.inbox_id AND p.state = 'waiting'
