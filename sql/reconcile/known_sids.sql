-- Returns of the given CallSids those that a call of ours has, and whether Twilio has told their end. $1 tenant, $2 CallSids,
-- $3 statuses that end a call.
SELECT a.call_sid AS "ref!",
       EXISTS (SELECT FROM tally.call_events e
               WHERE e.user_id = a.user_id AND e.call_id = a.call_id AND e.provider = 'twilio'
                 AND e.facts ->> 'call_sid' = a.call_sid AND e.facts ->> 'status' = ANY ($3::text[])) AS "has_end!"
FROM tally.call_aliases a
WHERE a.user_id = $1 AND a.call_sid = ANY ($2::text[])
