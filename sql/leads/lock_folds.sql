-- Takes the folds of the given contacts that nobody else is at; returns them with the result that a provider gave.
SELECT a.user_id, a.contact_id, a.result, a.result_sha256
FROM tally.contact_analyses a
WHERE (a.user_id, a.contact_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
ORDER BY a.user_id, a.contact_id
FOR UPDATE SKIP LOCKED
