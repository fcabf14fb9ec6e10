-- Ends the waiting of Twilio events whose CallSid this batch has filed; the next batch applies them. $1 tenants, $2 CallSids.
UPDATE tally.inbox_pending p SET state = 'ready', wait_key = NULL, not_before = '-infinity'
WHERE p.state = 'waiting' AND (p.user_id, p.wait_key) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
