-- Returns the hash of each transcript of the given calls. $1 tenants, $2 calls.
SELECT t.user_id, t.call_id, sha256(convert_to(t.content, 'UTF8')) AS "sha256!"
FROM public.transcripts t
WHERE (t.user_id, t.call_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
