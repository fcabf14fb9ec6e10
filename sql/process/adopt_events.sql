-- Gives events that were filed under an execution's own call id to the call that the execution turned out to be.
-- $1 tenants, $2 old call ids, $3 new call ids.
UPDATE tally.call_events e SET call_id = a.new_id
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS a (user_id, old_id, new_id)
WHERE e.user_id = a.user_id AND e.call_id = a.old_id
